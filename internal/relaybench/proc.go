package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/<pid>/stat: USER_HZ is 100 wherever Go runs.
const tick = 10 * time.Millisecond

// cpuTime is what a process has used so far, user and system.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(stat)
}

// parseStat reads utime and stime, the fields 14 and 15 (proc(5)). The second
// field is the program's name and may hold anything.
func parseStat(stat []byte) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("read CPU time: unknown form %q", stat)
	}
	var sum time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// machine says where the figures are from.
type machine struct{ lines []string }

func readMachine() *machine {
	model := "unknown CPU"
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return &machine{[]string{
		fmt.Sprintf("machine   %s, %d cores, Linux %s", model, runtime.NumCPU(), firstField("/proc/sys/kernel/osrelease", 1)),
		"load      " + firstField("/proc/loadavg", 3) + " before",
	}}
}

func firstField(file string, n int) string {
	b, _ := os.ReadFile(file)
	fields := strings.Fields(string(b))
	return strings.Join(fields[:min(n, len(fields))], " ")
}

// ragproxy adds the versions of the binary that is measured.
func (m *machine) ragproxy(binary string) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		m.lines = append(m.lines, "binary    unknown: "+err.Error())
		return
	}
	commit, changed := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	m.lines = append(m.lines, "built     "+info.GoVersion+", commit "+commit+changed, "reference httputil.ReverseProxy of "+runtime.Version())
}

func (m *machine) print(w io.Writer) {
	fmt.Fprintln(w, strings.Join(m.lines, "\n"))
}

func (m *machine) after(w io.Writer) {
	fmt.Fprintln(w, "load      "+firstField("/proc/loadavg", 3)+" after (this program's own included)")
}

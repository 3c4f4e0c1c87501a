package child

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ResidentMB is a process's resident memory in MB of 10^6 bytes.
func ResidentMB(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 64)
			return n * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("read memory of %d: no VmRSS", pid)
}

// OpenFiles says what each of a process's file descriptors is: a path,
// "socket:[7]", "anon_inode:[eventpoll]"; a file that was removed ends in
// " (deleted)".
func OpenFiles(pid int) ([]string, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if target, err := os.Readlink(dir + "/" + e.Name()); err == nil { // else it was closed meanwhile
			out = append(out, target)
		}
	}
	return out, nil
}

// MappedFiles are the distinct files that a process has mapped, in the form of
// OpenFiles.
func MappedFiles(pid int) ([]string, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []string
	for line := range strings.Lines(string(maps)) {
		at := strings.IndexByte(line, '/')
		if at < 0 {
			continue
		}
		if path := strings.TrimSuffix(line[at:], "\n"); !seen[path] {
			seen[path] = true
			out = append(out, path)
		}
	}
	return out, nil
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// quit ends a server by SIGQUIT, upon which Go prints all stacks, and says
// which goroutines there were.
func quit(server *child.Child) (map[string]int, error) {
	if err := server.Signal(syscall.SIGQUIT); err != nil {
		return nil, err
	}
	select {
	case <-server.Ended():
	case <-time.After(patience):
		return nil, fmt.Errorf("%s did not end by SIGQUIT", server.Name)
	}
	said, err := os.ReadFile(server.Log)
	if err != nil {
		return nil, err
	}
	return goroutines(said)
}

// A stack begins "goroutine 7 [select, 2 minutes]:", with more words since Go
// 1.23; the names of functions stand at the beginning of a line.
var (
	stackHead = regexp.MustCompile(`^goroutine \d+ .*\[([^\]]*)\]:$`)
	function  = regexp.MustCompile(`^(?:created by )?(.+?)(?:\([^()]*\))?(?: in goroutine \d+)?$`)
)

// goroutines counts, by what they are, the goroutines of a dump: the function
// that they began with.
func goroutines(dump []byte) (map[string]int, error) {
	_, dump, ok := bytes.Cut(dump, []byte("SIGQUIT: quit"))
	if !ok {
		return nil, fmt.Errorf("the log has no stacks")
	}
	out := map[string]int{}
	for stack := range strings.SplitSeq(string(dump), "\n\n") {
		lines := strings.Split(strings.TrimSpace(stack), "\n")
		// A note may stand between the dump's head and its first stack.
		for len(lines) > 0 && !stackHead.MatchString(lines[0]) {
			lines = lines[1:]
		}
		if len(lines) == 0 || strings.Contains(lines[0], "[idle]") {
			continue
		}
		name := ""
		for _, line := range lines[1:] {
			if m := function.FindStringSubmatch(line); m != nil && !strings.HasPrefix(line, "\t") {
				if strings.HasPrefix(line, "created by ") {
					name += " of " + m[1]
					break
				}
				name = m[1] // the outermost is the last
			}
		}
		out[name]++
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the stacks have a form that is not known")
	}
	return out, nil
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// more says of what there is more than before.
func more(before, after map[string]int) string {
	var out []string
	for name, n := range after {
		if n > before[name] {
			out = append(out, fmt.Sprintf("%d more of %s", n-before[name], name))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

const removedFile = "removed file"

// kinds sums up file descriptors: numbers of sockets and generations differ,
// their sum by kind must not.
func kinds(files []string) map[string]int {
	out := map[string]int{}
	for _, f := range files {
		kind, _, _ := strings.Cut(f, ":[")
		switch {
		case strings.HasSuffix(f, " (deleted)"):
			kind = removedFile
		case strings.Contains(f, "/collections/"):
			kind = "index file"
		}
		out[kind]++
	}
	return out
}

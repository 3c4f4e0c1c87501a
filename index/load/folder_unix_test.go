//go:build unix

package load

import (
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Opening a pipe would wait for somebody to write into it.
func TestFolderNotRegular(t *testing.T) {
	writeFiles(t, map[string]string{"docs/a.md": "a"})
	for _, name := range []string{"docs/pipe.md", "docs/.gitignore"} {
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, skipped, _ := walkAll(t, "docs", Options{})
	if diff := cmp.Diff([]string{"docs/.gitignore: hidden", "docs/pipe.md: not a regular file"}, skipped); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

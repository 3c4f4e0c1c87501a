package child

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOwnProcess looks at this one, with a file that is open, mapped and
// removed.
func TestOwnProcess(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "held"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	mapped, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	held := func(want string) {
		t.Helper()
		for what, list := range map[string]func(int) ([]string, error){"open": OpenFiles, "mapped": MappedFiles} {
			if got, err := list(os.Getpid()); err != nil || !slices.Contains(got, want) {
				t.Errorf("%s: got %q, %v, want %s among them", what, got, err, want)
			}
		}
	}
	held(f.Name())
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	held(f.Name() + " (deleted)")
	if got, err := ResidentMB(os.Getpid()); err != nil || got < 1 || got > 1e5 {
		t.Errorf("got %.1f MB, %v, want what a small program has", got, err)
	}
	const none = 1 << 22 // above the kernel's greatest number
	for what, err := range map[string]error{"memory": second(ResidentMB(none)), "files": second(OpenFiles(none)), "maps": second(MappedFiles(none))} {
		if err == nil {
			t.Errorf("%s: got no error for a process that is not there", what)
		}
	}
}

func second[T any](_ T, err error) error { return err }

package load

import "testing"

// What is read of a source's files is what was said to be, whatever they are.
func TestSize(t *testing.T) {
	writeFiles(t, map[string]string{
		"docs/a.md": "text", "docs/b.jsonl": `{"id":"1","text":"x"}` + "\n" + `{"id":"2","text":"y"}` + "\nno JSON", "docs/.gitignore": "c.md\n", "docs/c.md": "ignored",
		"docs/pic.png": "no", "docs/sub/README": "read me", "docs/big.txt": "larger than the limit of a file", "docs/damaged.pdf": "no PDF",
	})
	for source, want := range map[string]int64{"docs": 4 + 51 + 7 + 31 + 6, "docs/sub/README": 7, "docs/big.txt": 31, "docs/gone": 0} {
		read := int64(0)
		opts := Options{MaxBytes: 25, Read: func(n int64) { read += n }}
		got, known := Size(t.Context(), source, opts)
		if got != want || !known {
			t.Errorf("%s: got %d, %v, want %d", source, got, known, want)
		}
		if loader, err := Open(source, opts); err == nil {
			for range loader.Load(t.Context()) {
			}
		}
		if read != want {
			t.Errorf("%s: read %d bytes, want %d", source, read, want)
		}
	}
	for _, source := range []string{"-", "http://127.0.0.1/"} {
		if _, known := Size(t.Context(), source, Options{}); known {
			t.Errorf("%s: the size is known", source)
		}
	}
}

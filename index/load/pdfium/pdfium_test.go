package pdfium

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
)

const files = "../testdata/pdf/"

// The file is the one that README.md and NOTICE speak of.
func TestBinary(t *testing.T) {
	sum := sha256.Sum256(wasm)
	if got, want := hex.EncodeToString(sum[:]), "5e4cd023c3dad4a895b3571ca573d3fc51bac6de48360d95283134385b954eaa"; got != want {
		t.Errorf("got SHA-256 %s, want %s", got, want)
	}
}

func newEngine(t testing.TB, opts Options) *Engine {
	t.Helper()
	engine, err := New(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return engine
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// words are the runs of letters and digits of a text, counted. Ligatures count
// as their letters.
func words(text string) map[string]int {
	all := map[string]int{}
	for _, word := range strings.FieldsFunc(norm.NFKC.String(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	}) {
		all[word]++
	}
	return all
}

// recall is the share of want's words that got has too.
func recall(got, want map[string]int) float64 {
	found, all := 0, 0
	for word, n := range want {
		found += min(n, got[word])
		all += n
	}
	return float64(found) / float64(max(all, 1))
}

// The text has the words that poppler finds. RAGPROXY_TEST_PDFS may name a
// folder with more files, each NAME.pdf with poppler's NAME.txt.
func TestWords(t *testing.T) {
	engine := newEngine(t, Options{})
	names, _ := filepath.Glob(files + "*.txt")
	if more := os.Getenv("RAGPROXY_TEST_PDFS"); more != "" {
		others, _ := filepath.Glob(more + "/*.txt")
		names = append(names, others...)
	}
	for _, name := range names {
		base := strings.TrimSuffix(name, ".txt")
		var text []string
		info, err := engine.Read(t.Context(), readFile(t, base+".pdf"), func(_ int, page string) bool {
			text = append(text, page)
			return true
		})
		if err != nil || info.Pages != len(text) {
			t.Errorf("%s: got %d of %d pages and error %v", base, len(text), info.Pages, err)
		}
		got := recall(words(strings.Join(text, "\n")), words(string(readFile(t, name))))
		t.Logf("%s: %d pages, recall %.4f", filepath.Base(base), info.Pages, got)
		if got < 0.98 {
			t.Errorf("%s: got %.4f of poppler's words, want 0.98", base, got)
		}
	}
}

func TestRead(t *testing.T) {
	engine := newEngine(t, Options{})
	for name, want := range map[string]struct {
		info  Info
		pages []string
		err   error
	}{
		"letters.pdf": {Info{2, "Letters of many scripts", "Fay Shoal"}, []string{
			"Façade, naïve, Straße: the first page.\nA word may be hyphenated over two lines.",
			"潮が引くと、カニが出てくる。\n退潮时螃蟹会出来。",
		}, nil},
		"restricted.pdf": {Info{2, "Letters of many scripts", "Fay Shoal"}, []string{
			"Façade, naïve, Straße: the first page.\nA word may be hyphenated over two lines.",
			"潮が引くと、カニが出てくる。\n退潮时螃蟹会出来。",
		}, nil},
		"encrypted.pdf": {err: ErrEncrypted},
		"scan.pdf":      {info: Info{Pages: 1, Title: "scan"}, pages: []string{""}},
		"letters.txt":   {err: ErrDamaged},
	} {
		var pages []string
		info, err := engine.Read(t.Context(), readFile(t, files+name), func(n int, text string) bool {
			if n != len(pages)+1 {
				t.Errorf("%s: got page %d after %d", name, n, len(pages))
			}
			pages = append(pages, text)
			return true
		})
		if !errors.Is(err, want.err) || info != want.info {
			t.Errorf("%s: got %+v and error %v, want %+v and %v", name, info, err, want.info, want.err)
		}
		if diff := cmp.Diff(want.pages, pages); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

// The caller may stop, and a context that is done stops PDFium.
func TestReadStops(t *testing.T) {
	engine := newEngine(t, Options{})
	file := readFile(t, files+"fhs-3.0.pdf")
	pages := 0
	if _, err := engine.Read(t.Context(), file, func(int, string) bool { pages++; return pages < 3 }); err != nil || pages != 3 {
		t.Errorf("got %d pages and error %v, want 3", pages, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	pages = 0
	if _, err := engine.Read(ctx, file, func(int, string) bool { pages++; cancel(); return true }); !errors.Is(err, context.Canceled) || pages != 1 {
		t.Errorf("got %d pages and error %v, want 1 and the cancellation", pages, err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := engine.Read(late, file, func(int, string) bool { return true }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}

// A cache folder that cannot be used is no reason to fail; one that can is used.
func TestCache(t *testing.T) {
	dir := t.TempDir()
	newEngine(t, Options{CacheDir: filepath.Join(dir, "new")})
	if kept, err := os.ReadDir(filepath.Join(dir, "new")); err != nil || len(kept) != 1 {
		t.Errorf("got %v and error %v, want one folder", kept, err)
	}
	inTheWay := filepath.Join(dir, "file")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := newCacheDir(filepath.Join(inTheWay, "below")); got != "" {
		t.Errorf("got %q, want no cache", got)
	}
}

// Files with bytes changed and ends cut off have to give pages or an error.
func TestDamagedFiles(t *testing.T) {
	engine := newEngine(t, Options{})
	file := readFile(t, files+"letters.pdf")
	for i := range 60 {
		damaged := bytes.Clone(file)
		for j := range 1 + i%7 {
			damaged[(i*7919+j*104729)%len(damaged)] ^= byte(1 + i*31)
		}
		if i%3 == 0 {
			damaged = damaged[:len(damaged)-i*50]
		}
		pages := 0
		info, err := engine.Read(t.Context(), damaged, func(int, string) bool { pages++; return true })
		if err == nil && pages != info.Pages {
			t.Errorf("file %d: got %d of %d pages and no error", i, pages, info.Pages)
		}
	}
	if _, err := engine.Read(t.Context(), nil, func(int, string) bool { return true }); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v for an empty file, want it damaged", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"letters.pdf", "restricted.pdf", "scan.pdf"} {
		f.Add(readFile(f, files+name))
	}
	engine := newEngine(f, Options{})
	f.Fuzz(func(t *testing.T, file []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		engine.Read(ctx, file, func(_ int, text string) bool {
			if strings.ContainsAny(text, "\x00\r") {
				t.Errorf("got text %q", text)
			}
			return true
		})
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Log("took its ten seconds")
		}
	})
}

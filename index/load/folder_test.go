package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// walkAll loads a folder and returns ids with urls, skipped paths with
// reasons, and errors.
func walkAll(t *testing.T, source string, opts Options) (docs, skipped, failures []string) {
	t.Helper()
	opts.Skipped = func(path, reason string) { skipped = append(skipped, path+": "+reason) }
	all, failures := loadAll(t, source, opts)
	for _, doc := range all {
		docs = append(docs, doc.ID+" "+doc.URL)
	}
	return docs, skipped, failures
}

func TestFolder(t *testing.T) {
	writeFiles(t, map[string]string{
		"docs/b.md": "b", "docs/a.md": "a", "docs/a/z.txt": "z", "docs/a.b/x.html": "<p>x", "docs/lines.jsonl": `{"id":"l","text":"line"}`,
		"docs/.git/config.txt": "no", "docs/.hidden.md": "no", "docs/pic.png": "no", "docs/program": "no", "docs/Makefile": "all:", "docs/a/LICENSE-MIT": "may", "docs/a/Dockerfile.dev": "FROM", "docs/a/readme.png": "no", "docs/empty.md": "", "docs/blank.md": " \n",
		"docs/.gitignore": "*.log\n/build/\n!keep.log\n", "docs/x.log": "no", "docs/keep.log": "yes", "docs/build/y.md": "no",
		"docs/a/.gitignore": "w*\n", "docs/a/w.md": "no", "docs/binary.txt": "\x00",
	})
	docs, skipped, failures := walkAll(t, "docs/", Options{})
	if diff := cmp.Diff([]string{
		"docs/Makefile docs/Makefile", "docs/a/Dockerfile.dev docs/a/Dockerfile.dev", "docs/a/LICENSE-MIT docs/a/LICENSE-MIT", "docs/a/z.txt docs/a/z.txt", "docs/a.b/x.html docs/a.b/x.html", "docs/a.md docs/a.md", "docs/b.md docs/b.md",
		"docs/keep.log docs/keep.log", "l ",
	}, docs); diff != "" {
		t.Errorf("documents (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"docs/.git: hidden", "docs/.gitignore: hidden", "docs/.hidden.md: hidden", "docs/a/.gitignore: hidden", "docs/a/readme.png: no loader for .png", "docs/a/w.md: ignored by .gitignore", "docs/blank.md: no text", "docs/build: ignored by .gitignore",
		"docs/empty.md: empty", "docs/pic.png: no loader for .png", "docs/program: no loader for a file without extension", "docs/x.log: ignored by .gitignore",
	}, skipped); diff != "" {
		t.Errorf("skipped (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"docs/binary.txt: load docs/binary.txt: looks binary"}, failures); diff != "" {
		t.Errorf("errors (-want +got)\n%s", diff)
	}
}

// The same folder has the same ids however it is named.
func TestFolderIDs(t *testing.T) {
	writeFiles(t, map[string]string{"docs/sub/a.md": "a"})
	for source, want := range map[string]string{
		"docs": "docs/sub/a.md docs/sub/a.md", "./docs/": "docs/sub/a.md docs/sub/a.md", "docs/sub/..": "docs/sub/a.md docs/sub/a.md",
		"docs/sub": "sub/a.md docs/sub/a.md",
	} {
		if docs, _, _ := walkAll(t, source, Options{}); !cmp.Equal([]string{want}, docs) {
			t.Errorf("%s: got %q, want %q", source, docs, want)
		}
	}
	t.Chdir("docs")
	if docs, _, _ := walkAll(t, ".", Options{}); !cmp.Equal([]string{"docs/sub/a.md sub/a.md"}, docs) {
		t.Errorf("got %q, want docs/sub/a.md at sub/a.md", docs)
	}
}

func TestFolderLinks(t *testing.T) {
	writeFiles(t, map[string]string{"docs/a.md": "a", "docs/sub/b.md": "b", "outside/c.md": "c", "docs/.data/d.md": "d"})
	for name, target := range map[string]string{
		"docs/inside.md": "sub/b.md", "docs/hidden.md": ".data/d.md", "docs/out.md": "../outside/c.md", "docs/outdir": "../outside", "docs/loop": "..",
		"docs/sub/up": "..", "docs/dangling.md": "gone.md", "docs/self.md": "self.md", "docs/dir.md": "sub", "link": "docs",
	} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	docs, skipped, failures := walkAll(t, "link", Options{})
	if diff := cmp.Diff([]string{"link/a.md link/a.md", "link/hidden.md link/hidden.md", "link/inside.md link/inside.md", "link/sub/b.md link/sub/b.md"}, docs); diff != "" {
		t.Errorf("documents (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"link/.data: hidden", "link/dangling.md: symbolic link out of the folder, or to nothing", "link/dir.md: symbolic link to a folder",
		"link/loop: symbolic link out of the folder, or to nothing", "link/out.md: symbolic link out of the folder, or to nothing",
		"link/outdir: symbolic link out of the folder, or to nothing", "link/self.md: symbolic link out of the folder, or to nothing",
		"link/sub/up: symbolic link to a folder",
	}, skipped); diff != "" {
		t.Errorf("skipped (-want +got)\n%s", diff)
	}
	if failures != nil {
		t.Errorf("got errors %q, want none", failures)
	}
}

// Below the root of a repository its outer .gitignore files count; the source
// itself is taken even if they exclude it.
func TestFolderInRepository(t *testing.T) {
	writeFiles(t, map[string]string{
		"repo/.gitignore": "node_modules/\n/docs/old.md\n/docs/build/\n", "repo/docs/new.md": "x", "repo/docs/old.md": "x",
		"repo/docs/node_modules/x.md": "x", "repo/docs/build/deep/y.md": "x", ".gitignore": "*.md\n",
	})
	if docs, _, _ := walkAll(t, "repo/docs", Options{}); len(docs) != 4 {
		t.Errorf("got %q, want all 4 outside of a repository", docs)
	}
	if err := os.Mkdir("repo/.git", 0o755); err != nil {
		t.Fatal(err)
	}
	if docs, _, _ := walkAll(t, "repo/docs", Options{}); !cmp.Equal([]string{"docs/new.md repo/docs/new.md"}, docs) {
		t.Errorf("got %q, want only docs/new.md", docs)
	}
	if docs, _, _ := walkAll(t, "repo/docs/build", Options{}); !cmp.Equal([]string{"build/deep/y.md repo/docs/build/deep/y.md"}, docs) {
		t.Errorf("got %q, want what is in the excluded source", docs)
	}
}

// What cannot be read is an error, and the walk goes on. (Files go away here
// while the walk is on, because root reads whatever there is.)
func TestFolderUnreadable(t *testing.T) {
	writeFiles(t, map[string]string{"docs/a.md": "a", "docs/b.md": "b", "docs/c/d.md": "d", "docs/e.md": "e"})
	loader, err := Open("docs", Options{})
	if err != nil {
		t.Fatal(err)
	}
	docs, failures := results(func(yield func(index.Document, error) bool) {
		for doc, err := range loader.Load(t.Context()) {
			for _, name := range []string{"docs/b.md", "docs/c"} {
				if err := os.RemoveAll(name); err != nil {
					t.Error(err)
				}
			}
			if !yield(doc, err) {
				return
			}
		}
	})
	if len(docs) != 2 || docs[0].ID != "docs/a.md" || docs[1].ID != "docs/e.md" {
		t.Errorf("got %+v, want docs/a.md and docs/e.md", docs)
	}
	if len(failures) != 2 || !strings.HasPrefix(failures[0], "docs/b.md: load docs/b.md: ") || !strings.HasPrefix(failures[1], "docs/c: load docs/c: ") {
		t.Errorf("got errors %q, want docs/b.md and docs/c", failures)
	}
}

func TestFolderOddNames(t *testing.T) {
	writeFiles(t, map[string]string{"docs/bad\xff.md": "x", "docs/new\nline #1.md": "x", "docs/漢.md": "x"})
	docs, _, failures := walkAll(t, "docs", Options{})
	if diff := cmp.Diff([]string{"docs/new\nline #1.md docs/new\nline #1.md", "docs/漢.md docs/漢.md"}, docs); diff != "" {
		t.Errorf("documents (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"docs/bad\uFFFD.md: load docs/bad\uFFFD.md: the file's name is not valid UTF-8"}, failures); diff != "" {
		t.Errorf("errors (-want +got)\n%s", diff)
	}
}

func TestFolderGoneAfterOpen(t *testing.T) {
	writeFiles(t, map[string]string{"docs/a.md": "a"})
	loader, err := Open("docs", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll("docs"); err != nil {
		t.Fatal(err)
	}
	if _, failures := results(loader.Load(t.Context())); len(failures) != 1 || !strings.HasPrefix(failures[0], "docs: load docs: ") {
		t.Errorf("got %q, want one error", failures)
	}
}

func TestFolderStops(t *testing.T) {
	files := map[string]string{"docs/lines.jsonl": strings.Repeat(`{"text":"line"}`+"\n", 10)}
	for i := range 10 {
		files[fmt.Sprintf("docs/%d.md", i)] = "x"
	}
	writeFiles(t, files)
	loader, err := Open("docs", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for stop := 1; stop <= 20; stop++ {
		n := 0
		for range loader.Load(t.Context()) {
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("got %d documents, want %d", n, stop)
		}

		ctx, cancel := context.WithCancel(t.Context())
		var got []error
		for _, err := range loader.Load(ctx) {
			if got = append(got, err); len(got) == stop {
				cancel()
			}
		}
		cancel()
		if want := min(stop+1, 21); stop < 20 && (len(got) != want || !errors.Is(got[len(got)-1], context.Canceled)) {
			t.Errorf("cancelled after %d: got %d results, want %d with the cancellation last", stop, len(got), want)
		}
	}
}

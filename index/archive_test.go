package index_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// archive is an exported collection of two segments with deletions.
func archive(t testing.TB) (b []byte, from *index.Index) {
	t.Helper()
	from = open(t, t.TempDir(), newEmbedder())
	a := fixtureDocument()
	ingest(t, from, "src", append(foxes(12), a, doc("empty", ""))...)
	ingest(t, from, "src", doc("doc03", "a changed fox"))
	if _, err := from.Delete(t.Context(), "c", []string{"doc05"}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := from.Export(t.Context(), "c", &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), from
}

func importInto(x *index.Index, b []byte, replace bool) (index.Manifest, error) {
	return x.Import(context.Background(), "c", bytes.NewReader(b), int64(len(b)), replace)
}

func TestExportAndImport(t *testing.T) {
	b, from := archive(t)
	e := newEmbedder()
	x := open(t, t.TempDir(), e, withGraph) // another engine: the legs are made anew
	m, err := importInto(x, b, false)
	if err != nil || m.Documents != 13 || len(m.Segments) != 1 || m.Vector != "hnsw" || m.Generation != 1 {
		t.Fatalf("got %+v, error %v, want 13 documents in one segment", m, err)
	}
	for _, text := range []string{"fox", "a changed fox", "the lazy dog sleeps all day long.", "number5"} {
		want, got := ask(t, from, text), ask(t, x, text)
		for name, legs := range map[string][2]index.Leg{"vector": {want.Vector, got.Vector}, "keyword": {want.Keyword, got.Keyword}} {
			if diff := cmp.Diff(chunks(t, legs[0]), chunks(t, legs[1])); diff != "" {
				t.Errorf("%s leg for %q after the import:\n%s", name, text, diff)
			}
		}
	}
	if got := e.takeAsked(); got != nil {
		t.Errorf("got %q embedded, want nothing", got)
	}
	if _, changes := ingest(t, x, "src", fixtureDocument(), doc("doc05", "the fox number5 jumps")); changes[0] != index.Unchanged || changes[1] != index.Added {
		t.Errorf("got changes %v, want an unchanged document and, as it was deleted, a new one", changes)
	}
	if err := x.Verify("c"); err != nil {
		t.Error(err)
	}
}

// chunks are a leg's chunks by id: which of two equal ones comes first is the
// order in which they were built.
func chunks(t testing.TB, leg index.Leg) map[string]index.Chunk {
	t.Helper()
	out := map[string]index.Chunk{}
	for i, id := range ids(t, leg) {
		out[id] = leg.Hits[i].Chunk
	}
	return out
}

type tarEntry struct {
	header tar.Header
	data   []byte
}

func untar(t testing.TB, b []byte) []tarEntry {
	t.Helper()
	var out []tarEntry
	for in := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tarEntry{tar.Header{Typeflag: h.Typeflag, Name: h.Name, Size: h.Size, Mode: h.Mode}, data})
	}
}

func retar(t testing.TB, entries []tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, e := range entries {
		if e.header.Typeflag == tar.TypeReg {
			e.header.Size = int64(len(e.data))
		}
		if err := out.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestHostileArchives: nothing is published, nothing is left, nothing is
// written elsewhere.
func TestHostileArchives(t *testing.T) {
	whole, _ := archive(t)
	file := func(name, data string) tarEntry {
		return tarEntry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, []byte(data)}
	}
	manifest := func(change func(string) string) func([]tarEntry) []tarEntry {
		return func(e []tarEntry) []tarEntry {
			e[0].data = index.SealManifest([]byte(change(string(e[0].data))))
			return e
		}
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("no %q in the manifest %s", old, s)
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	tests := map[string]func(e []tarEntry) []tarEntry{
		"no manifest":            func(e []tarEntry) []tarEntry { return e[1:] },
		"manifest not first":     func(e []tarEntry) []tarEntry { e[0], e[1] = e[1], e[0]; return e },
		"manifest changed":       func(e []tarEntry) []tarEntry { e[0].data[30] ^= 1; return e },
		"file missing":           func(e []tarEntry) []tarEntry { return slices.Delete(e, 3, 4) },
		"file twice":             func(e []tarEntry) []tarEntry { return append(e, e[4]) },
		"file cut":               func(e []tarEntry) []tarEntry { e[4].data = e[4].data[1:]; return e },
		"one more file":          func(e []tarEntry) []tarEntry { return append(e, file("segments/seg-000001-0/more", "x")) },
		"path out":               func(e []tarEntry) []tarEntry { return append(e, file("../../../../evil", "x")) },
		"absolute path":          func(e []tarEntry) []tarEntry { return append(e, file("/tmp/ragproxy-evil", "x")) },
		"path out, listed":       manifest(replace(`"name": "chunks.dat"`, `"name": "../../../../../evil"`)),
		"segment out, listed":    manifest(replace(`"name": "seg-000001-0"`, `"name": "../../evil"`)),
		"generation's file":      manifest(replace(`"name": "deleted.bin"`, `"name": "evil/x"`)),
		"huge file, listed":      manifest(replace(`"size": `, `"size": 922337203685477`)),
		"other counts":           manifest(replace(`"documents": 13`, `"documents": 12`)),
		"too many dimensions":    manifest(replace(`"dims": 16`, `"dims": 99999999`)),
		"fewer dimensions":       manifest(replace(`"dims": 16`, `"dims": 8`)),
		"later format":           manifest(replace(`"format": 2`, `"format": 3`)),
		"earlier format":         manifest(replace(`"format": 2`, `"format": 1`)),
		"deletes more":           manifest(replace(`"deleted": 2`, `"deleted": 3`)),
		"unknown keyword engine": manifest(replace(`"keyword": "`, `"keyword": "evil-`)),
		"symlink": func(e []tarEntry) []tarEntry {
			return append(e, tarEntry{tar.Header{Typeflag: tar.TypeSymlink, Name: "segments/seg-000001-0/chunks.dat", Linkname: "/etc/passwd"}, nil})
		},
		"folder": func(e []tarEntry) []tarEntry {
			return append(e, tarEntry{tar.Header{Typeflag: tar.TypeDir, Name: "segments"}, nil})
		},
		"no entries": func([]tarEntry) []tarEntry { return nil },
	}
	for i := range untar(t, whole) {
		tests["flipped "+untar(t, whole)[i].header.Name] = func(e []tarEntry) []tarEntry {
			e[i].data[len(e[i].data)/2] ^= 1
			return e
		}
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "a", "b")
			x := open(t, dir, newEmbedder(), func(o *index.Options) {
				plain := o.Keyword
				o.KeywordByName = func(name string) (index.KeywordEngine, error) {
					if name == plain.Name() {
						return plain, nil
					}
					return nil, errors.New("no such engine")
				}
			})
			m, err := importInto(x, retar(t, change(untar(t, whole))), false)
			if err == nil {
				t.Errorf("got %+v, want an error", m)
			}
			for path := range folder(t, top) {
				if filepath.Base(path) != "lock" {
					t.Errorf("got the file %s, want none", path)
				}
			}
			if err := x.Exists(t.Context(), "c"); !errors.Is(err, index.ErrNotFound) {
				t.Errorf("got error %v, want no collection", err)
			}
		})
	}
	for n := 0; n < len(whole)-1536; n += 487 { // behind that is padding only
		if m, err := importInto(open(t, t.TempDir(), newEmbedder()), whole[:n], false); err == nil {
			t.Errorf("cut at %d: got %+v, want an error", n, m)
		}
	}
}

// TestSparseArchive: a few bytes that say they are many gigabytes.
func TestSparseArchive(t *testing.T) {
	whole, _ := archive(t)
	entries := untar(t, whole)
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for i, e := range entries {
		e.header.Size = int64(len(e.data))
		if i == 4 {
			e.header.Format = tar.FormatPAX
			e.header.PAXRecords = map[string]string{"comment": "GNU.sparse"}
		}
		if err := out.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	sparse := bytes.Replace(b.Bytes(), []byte("22 comment=GNU.sparse\n"), []byte("22 GNU.sparse.size=9e9\n"), 1)
	if _, err := importInto(open(t, t.TempDir(), newEmbedder()), sparse, false); err == nil {
		t.Error("got no error for a header that lies about its size")
	}
}

func TestImportIntoExisting(t *testing.T) {
	b, _ := archive(t)
	dir := t.TempDir()
	x := open(t, dir, newEmbedder())
	ingest(t, x, "src", doc("mine", "my fox"))
	before := folder(t, dir)
	if _, err := importInto(x, b, false); err == nil || !strings.Contains(err.Error(), "--replace") {
		t.Errorf("got error %v, want one that tells --replace", err)
	}
	if diff := cmp.Diff(before, folder(t, dir)); diff != "" {
		t.Errorf("the refused import changed files:\n%s", diff)
	}
	if m, err := importInto(x, b, true); err != nil || m.Generation != 2 || m.Documents != 13 {
		t.Errorf("got %+v, error %v, want generation 2 with 13 documents", m, err)
	}
	holdsNot := ask(t, x, "my fox")
	for _, id := range ids(t, holdsNot.Vector) {
		if strings.HasPrefix(id, "mine") {
			t.Errorf("got %s, want it replaced", id)
		}
	}
	if err := x.Verify("c"); err != nil {
		t.Error(err)
	}
}

func TestExportErrors(t *testing.T) {
	x := open(t, copyFolder(t, filepath.Join("testdata", "format1")), newEmbedder())
	if err := x.Export(t.Context(), "c", io.Discard); err == nil || !strings.Contains(err.Error(), "ragproxy compact") {
		t.Errorf("got error %v for format 1, want one that tells what to do", err)
	}
	if err := x.Export(t.Context(), "nope", io.Discard); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
	dir, seg := damageable(t)
	for _, damage := range []func(string){func(p string) { flip(t, p) }, func(p string) { os.Truncate(p, 3) }, func(p string) { os.Remove(p) }} {
		damage(filepath.Join(seg, "chunks.dat"))
		if err := open(t, dir, newEmbedder()).Export(t.Context(), "c", io.Discard); err == nil || !strings.Contains(err.Error(), "chunks.dat") {
			t.Errorf("got error %v for damaged texts, want one that names them", err)
		}
	}
}

// FuzzImport takes any bytes for an archive: an import fails, or gives a
// collection that is whole.
func FuzzImport(f *testing.F) {
	whole, _ := archive(f)
	f.Add(whole)
	f.Add(whole[:3000])
	f.Fuzz(func(t *testing.T, b []byte) {
		x := open(t, t.TempDir(), newEmbedder())
		if _, err := importInto(x, b, false); err != nil {
			return
		}
		if err := x.Verify("c"); err != nil {
			t.Fatalf("took an archive, and then: %v", err)
		}
	})
}

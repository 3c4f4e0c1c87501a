package lexical

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	bleveindex "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	zap "github.com/blevesearch/zapx/v17"
	"github.com/google/go-cmp/cmp"
)

// TestOldLayout opens what bleve's builder made: another folder, and rows that
// are ids of documents in any order.
func TestOldLayout(t *testing.T) {
	texts := []string{"a red fox", "a red dog", "a blue dog and a fox"}
	want := found(t, opened(t, built(t, texts...)), "dog fox", 3, nil)

	dir, e := t.TempDir(), newEngine(t, Options{}).(*engine)
	var docs []bleveindex.Document
	s := stats{Engine: e.Name(), Documents: 3, Files: map[string]uint32{}}
	for _, row := range []int{2, 0, 1} {
		doc, tokens := toDocument(strconv.Itoa(row), texts[row], e.analyzer)
		docs = append(docs, doc)
		s.Tokens += tokens
	}
	made, _, err := (&zap.ZapPlugin{}).New(docs)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, oldFolder, oldFile)
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), made.(segment.UnpersistedSegment).Persist(path)); err != nil {
		t.Fatal(err)
	}
	if s.Files[oldFile], err = sumFile(path); err != nil {
		t.Fatal(err)
	}
	s.Sum, _ = s.sum()
	b, err := json.Marshal(s)
	if err := errors.Join(err, os.WriteFile(filepath.Join(dir, statsFile), append(b, '\n'), 0o600)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, found(t, opened(t, dir), "dog fox", 3, nil)); diff != "" {
		t.Errorf("matches (-new layout +old):\n%s", diff)
	}
}

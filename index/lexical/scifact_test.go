package lexical

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// TestSciFact holds the whole leg to a known figure: Anserini's BM25 has an
// nDCG@10 of 0.679 on SciFact (BEIR), with title and abstract as one text.
func TestSciFact(t *testing.T) {
	dir := os.Getenv("RAGPROXY_TEST_DATA")
	if dir == "" {
		t.Skip("RAGPROXY_TEST_DATA does not name a folder with scifact/")
	}
	dir = filepath.Join(dir, "scifact")
	var ids []string
	var chunks []index.Chunk
	for _, line := range readLines[record](t, filepath.Join(dir, "corpus.jsonl")) {
		ids = append(ids, line.ID)
		chunks = append(chunks, index.Chunk{Title: line.Title, Text: line.Text})
	}
	folder := t.TempDir()
	if err := newEngine(t, Options{}).Build(t.Context(), slices.Values(chunks), folder); err != nil {
		t.Fatal(err)
	}
	s := opened(t, folder)
	judged := readGrades(t, filepath.Join(dir, "qrels.tsv"))
	var sum float64
	for _, q := range readLines[record](t, filepath.Join(dir, "queries.jsonl")) {
		if grades := judged[q.ID]; grades != nil {
			var ranking []string
			for _, row := range rowsOf(found(t, s, q.Text, 10, nil)) {
				ranking = append(ranking, ids[row])
			}
			sum += ndcg(ranking, grades)
		}
	}
	got := sum / float64(len(judged))
	t.Logf("nDCG@10 %.4f over %d queries; %d bytes for %d documents", got, len(judged), size(t, folder), len(chunks))
	if got < 0.69 {
		t.Errorf("got nDCG@10 %.4f, want at least 0.69", got)
	}
}

type record struct {
	ID    string `json:"_id"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

func readLines[T any](t testing.TB, path string) []T {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []T
	for lines := json.NewDecoder(bufio.NewReader(f)); lines.More(); {
		var one T
		if err := lines.Decode(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// readGrades reads lines of query, document and grade with tabs between.
func readGrades(t *testing.T, path string) map[string]map[string]float64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	grades := map[string]map[string]float64{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		grade, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		if grades[f[0]] == nil {
			grades[f[0]] = map[string]float64{}
		}
		grades[f[0]][f[1]] = grade
	}
	return grades
}

// ndcg at 10, with the grade as gain.
func ndcg(ranking []string, grades map[string]float64) float64 {
	var got, ideal float64
	for i, id := range ranking {
		got += grades[id] / math.Log2(float64(i+2))
	}
	var sorted []float64
	for _, grade := range grades {
		sorted = append(sorted, grade)
	}
	slices.Sort(sorted)
	slices.Reverse(sorted)
	for i, grade := range sorted[:min(10, len(sorted))] {
		ideal += grade / math.Log2(float64(i+2))
	}
	return got / ideal
}

func size(t testing.TB, dir string) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

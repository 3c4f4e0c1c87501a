package minilm

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/internal/simd"
)

// golden is a line of testdata/golden.jsonl.gz, made by convert/golden.py.
type golden struct {
	Text   string  `json:"text"`
	IDs    []int32 `json:"ids"`
	Vector []byte  `json:"vector"` // 384 float16, or none
}

func readGolden(t *testing.T) []golden {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "golden.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var rows []golden
	for d := json.NewDecoder(z); d.More(); {
		var row golden
		if err := d.Decode(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestModelFiles(t *testing.T) {
	for _, file := range []struct{ name, content, want string }{
		{"weights.bin", weightsFile, "b849a7694e91a6ab9148722a24a1ced87e55ae0b3783c8c89307ee08dcc2e132"},
		{"vocab.txt", vocabText, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"},
	} {
		sum := sha256.Sum256([]byte(file.content))
		if got := hex.EncodeToString(sum[:]); got != file.want {
			t.Errorf("sha256 of %s: got %s, want %s", file.name, got, file.want)
		}
	}
}

func TestTokenizerMatchesReference(t *testing.T) {
	rows := readGolden(t)
	if len(rows) < 1000 {
		t.Fatalf("got %d texts, want 1000 or more", len(rows))
	}
	tokens := newTokenizer(vocabText)
	for _, row := range rows {
		if diff := cmp.Diff(row.IDs, tokens.encode(row.Text)); diff != "" {
			t.Errorf("ids of %.60q (-want +got):\n%s", row.Text, diff)
		}
	}
}

func TestVectorsMatchReference(t *testing.T) {
	var texts []string
	var want [][]float64
	for _, row := range readGolden(t) {
		if row.Vector != nil {
			texts, want = append(texts, row.Text), append(want, halves(row.Vector))
		}
	}
	if len(texts) < 500 {
		t.Fatalf("got %d texts with a vector, want 500 or more", len(texts))
	}
	vectors := map[simd.Set][][]float32{}
	for _, set := range simd.Sets() {
		t.Run(set.String(), func(t *testing.T) {
			n := len(texts)
			if raceEnabled {
				n = 12
			} else if set == simd.Go {
				n = 60
			}
			e, err := newWith(Options{}, set)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.EmbedDocuments(t.Context(), texts[:n])
			if err != nil {
				t.Fatal(err)
			}
			vectors[set] = got
			checkCosines(t, texts, got, want)
		})
	}
	if got, ok := vectors[simd.AVX512]; ok && !cmp.Equal(got, vectors[simd.AVX2]) {
		t.Error("got other bits with avx512 than with avx2, want the same")
	}
}

func checkCosines(t *testing.T, texts []string, got [][]float32, want [][]float64) {
	t.Helper()
	least, sum := 2.0, 0.0
	for i := range got {
		c := cosine(got[i], want[i])
		if !(c >= 0.999) {
			t.Errorf("cosine to the reference vector of %.60q: got %f, want 0.999 or more", texts[i], c)
		}
		least, sum = min(least, c), sum+c
	}
	t.Logf("%d texts: cosine min %.6f, mean %.6f", len(got), least, sum/float64(len(got)))
}

func halves(b []byte) []float64 {
	v := make([]float64, len(b)/2)
	for i := range v {
		bits := uint16(b[2*i]) | uint16(b[2*i+1])<<8
		v[i] = float64(float16(bits & 0x7fff))
		if bits&0x8000 != 0 {
			v[i] = -v[i]
		}
	}
	return v
}

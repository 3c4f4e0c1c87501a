package index_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// TestMemory indexes RAGPROXY_MEMORY_MB megabytes of text with an embedder
// that costs nothing: the process may take 500 MB at most, however many there
// are. Linux tells the most that a process ever had.
func TestMemory(t *testing.T) {
	size, err := strconv.Atoi(os.Getenv("RAGPROXY_MEMORY_MB"))
	if err != nil {
		t.Skip("RAGPROXY_MEMORY_MB is no number of megabytes")
	}
	if peak(t) == 0 {
		t.Skip("this system does not tell the memory of a process")
	}
	e := &fakeEmbedder{space: "cheap@384"}
	e.documents = func(texts []string) ([][]float32, error) {
		e.takeAsked() // else it remembers all of them
		out := make([][]float32, len(texts))
		for i, text := range texts {
			out[i] = make([]float32, 384)
			seed := binary.LittleEndian.Uint64([]byte(text[:8])) * uint64(len(text))
			for k := range out[i] {
				seed = seed*6364136223846793005 + 1442695040888963407
				out[i][k] = float32(int64(seed)>>40) / (1 << 23)
			}
		}
		return out, nil
	}
	dir := t.TempDir()
	x := open(t, dir, e, func(o *index.Options) { o.Splitter = paragraphs{} })
	b := begin(t, x)
	rng := rand.New(rand.NewPCG(1, 2))
	written := 0
	for n := 0; written < size<<20; n++ {
		var text strings.Builder
		for range 12 {
			for text.Len() == 0 || text.Len()%900 < 880 {
				fmt.Fprintf(&text, "word%d ", int(rng.ExpFloat64()*2000))
			}
			text.WriteString("\n\n12345678 ")
		}
		written += text.Len()
		add(t, b, "src", index.Document{ID: fmt.Sprintf("doc%d", n), Text: text.String()})
	}
	m := commit(t, b)
	got := peak(t) >> 20
	t.Logf("%d MB of text, %d chunks in %d segments, %d MB on disk: %d MB of memory at most", written>>20, m.Chunks, len(m.Segments), m.Size()>>20, got)
	if got > 500 {
		t.Errorf("got %d MB of memory, want at most 500", got)
	}
}

// peak is the most memory in bytes that this process ever had; 0 if unknown.
func peak(t testing.TB) int { return status(t, "VmHWM") }

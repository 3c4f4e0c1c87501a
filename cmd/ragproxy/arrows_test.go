package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ragproxy/ragproxy/"

// arrows are the imports between our packages that the design allows, each
// with its reason. Test files may import more.
var arrows = map[string]map[string]string{
	"config":             {},
	"docs/examples/go":   {},
	"index":              {},
	"index/embed":        {"index": "implements Embedder's contract", "internal/breaker": "leaves a dead server alone"},
	"index/embed/minilm": {"internal/simd": "its loops"},
	"index/enginetest":   {"index": "asks its engines"},
	"index/lexical":      {"index": "implements KeywordEngine"},
	"index/load": {
		"index":             "makes documents",
		"index/load/pdfium": "reads PDF",
	},
	"index/load/pdfium": {},
	"index/opensearch": {
		"index":         "implements Engine",
		"index/lexical": "keeps its words",
		"index/remote":  "what a server's engines have in common",
	},
	"index/remote":   {"index": "its types"},
	"index/postgres": {"index": "implements Engine", "index/lexical": "keeps its words, scores as it does", "index/remote": "writes and searches as adapters do"},
	"index/split":    {"index": "makes pieces"},
	"index/vector": {
		"index":         "implements VectorEngine",
		"internal/simd": "its loops",
	},
	"index/vector/bench": {
		"index":              "its matrices",
		"index/vector":       "what it measures",
		"index/embed/minilm": "makes the vectors",
		"internal/simd":      "names the processor's set",
	},
	"internal/breaker":      {},
	"internal/child":        {},
	"internal/browsertest":  {},
	"internal/clienttest":   {},
	"internal/ostest":       {},
	"internal/pgtest":       {},
	"internal/relaybench":   {"internal/child": "runs what it measures"},
	"internal/release":      {},
	"internal/soak":         {"internal/child": "runs what it loads"},
	"internal/simd":         {},
	"internal/splice":       {},
	"internal/upstreamtest": {},
	"proxy/access":          {"index": "checks the filters of keys"},
	"proxy/builtin":         {},
	"proxy/sse":             {},
	"retrieval":             {"index": "queries, hits and chunks are its types", "internal/breaker": "tells what was not asked"},
	"retrieval/rerank":      {},
	"internal/guardbench": {
		"index":     "its passages are chunks",
		"retrieval": "writes the prompts that it measures",
	},
	"internal/browser":   {},
	"internal/openwebui": {},
	"retrieval/eval": {
		"index":     "judges chunks",
		"retrieval": "asks the pipeline",
	},
	"proxy/dialect": {
		"retrieval":       "encodes its events",
		"proxy/sse":       "reads data lines",
		"internal/splice": "edits chunks",
	},
	"proxy": {
		"retrieval":        "asks it for passages",
		"proxy/access":     "asks it who may do what",
		"proxy/dialect":    "chooses an encoder",
		"proxy/sse":        "reads and writes streams",
		"index":            "tells an unknown collection from other failures",
		"internal/breaker": "leaves a dead rewriter alone",
		"internal/splice":  "edits requests",
	},
	"testdata": {},
}

// longest is the longest chain of imports from cmd/ragproxy, in arrows.
const longest = 4

func TestArrows(t *testing.T) {
	graph := imports(t)
	for from, targets := range graph {
		if from == "cmd/ragproxy" {
			continue // ties all parts
		}
		allowed, known := arrows[from]
		if !known {
			t.Errorf("package %s is not in the design: add it to arrows with a reason for each import", from)
		}
		for _, to := range targets {
			if _, ok := allowed[to]; !ok {
				t.Errorf("%s imports %s: the design has no such arrow", from, to)
			}
		}
	}
	if n := depth(graph, "cmd/ragproxy"); n > longest {
		t.Errorf("the longest chain from cmd/ragproxy has %d arrows, want at most %d", n, longest)
	}
}

// TestOnlyCmdReadsConfig keeps the file format out of the parts: each has an
// Options struct of its own.
func TestOnlyCmdReadsConfig(t *testing.T) {
	for from, targets := range arrows {
		if _, ok := targets["config"]; ok {
			t.Errorf("%s may import config: only cmd may", from)
		}
	}
}

// imports are the imports between our packages, by their paths in the project.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...", "./testdata")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	graph := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		from := strings.TrimPrefix(words[0], module)
		graph[from] = nil
		for _, to := range words[1:] {
			if to, ours := strings.CutPrefix(to, module); ours {
				graph[from] = append(graph[from], to)
			}
		}
	}
	return graph
}

func depth(graph map[string][]string, from string) int {
	var below []int
	for _, to := range graph[from] {
		below = append(below, 1+depth(graph, to))
	}
	if below == nil {
		return 0
	}
	return slices.Max(below)
}

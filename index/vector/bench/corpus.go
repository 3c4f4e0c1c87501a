//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/ragproxy/ragproxy/index/embed/minilm"
)

const (
	corpusRows    = 100_000
	corpusQueries = 1_000
	shortest      = 100 // characters of a passage
)

// makeCorpus writes rows.f32 and queries.f32 into dir: vectors of real
// passages of 100 to some 200 characters, in a random but fixed order, and of
// questions and sentences that are not among them. It takes some minutes.
func makeCorpus(ctx context.Context, dir string) error {
	queries, err := questions(os.Getenv("RAGPROXY_TEST_DATA"))
	if err != nil {
		return err
	}
	passages, err := gather(os.Getenv("RAGPROXY_TEST_DATA"))
	if err != nil {
		return err
	}
	if len(passages) < corpusRows+corpusQueries {
		return fmt.Errorf("gather passages: got %d, want %d", len(passages), corpusRows+corpusQueries)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	rng.Shuffle(len(passages), func(i, j int) { passages[i], passages[j] = passages[j], passages[i] })
	queries = append(queries, passages[corpusRows:]...)[:corpusQueries]
	if err := embed(ctx, filepath.Join(dir, "queries.f32"), queries); err != nil {
		return err
	}
	return embed(ctx, filepath.Join(dir, "rows.f32"), passages[:corpusRows])
}

func embed(ctx context.Context, path string, texts []string) error {
	e, err := minilm.New(minilm.Options{})
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	const batch = 1000
	for len(texts) > 0 {
		n := min(batch, len(texts))
		vectors, err := e.EmbedDocuments(ctx, texts[:n])
		if err != nil {
			return err
		}
		for _, v := range vectors {
			if err := binary.Write(w, binary.LittleEndian, v); err != nil {
				return err
			}
		}
		texts = texts[n:]
		fmt.Fprintf(os.Stderr, "\r%s: %d texts left  ", path, len(texts))
	}
	fmt.Fprintln(os.Stderr)
	return errors.Join(w.Flush(), f.Close())
}

// questions are those of the test data, each once.
func questions(data string) ([]string, error) {
	var texts []string
	paths, err := filepath.Glob(filepath.Join(data, "*", "queries.jsonl"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if err := eachText(path, func(text string) { texts = append(texts, text) }); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// gather cuts the test data and Go's own doc comments into passages, each once.
func gather(data string) ([]string, error) {
	var passages []string
	known := map[string]bool{}
	add := func(text string) {
		for _, p := range cut(text) {
			if !known[p] {
				known[p] = true
				passages = append(passages, p)
			}
		}
	}
	paths, err := filepath.Glob(filepath.Join(data, "*", "corpus.jsonl"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if err := eachText(path, add); err != nil {
			return nil, err
		}
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find the Go sources: %w", err)
	}
	return passages, eachComment(filepath.Join(strings.TrimSpace(string(root)), "src"), add)
}

func eachText(path string, do func(text string)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for d := json.NewDecoder(f); d.More(); {
		var line struct{ Text string }
		if err := d.Decode(&line); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		do(line.Text)
	}
	return nil
}

func eachComment(root string, do func(text string)) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.Contains(path, "testdata") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil // some are meant not to parse
		}
		for _, group := range file.Comments {
			do(group.Text())
		}
		return nil
	})
}

// cut joins words up to a sentence's end, or to twice the shortest length.
func cut(text string) []string {
	var passages []string
	var b strings.Builder
	for word := range strings.FieldsSeq(text) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
		ended := strings.HasSuffix(word, ".") || strings.HasSuffix(word, "?") || b.Len() >= 2*shortest
		if ended && utf8.RuneCountInString(b.String()) >= shortest {
			passages = append(passages, b.String())
			b.Reset()
		}
	}
	return passages
}

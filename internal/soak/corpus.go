package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// documents of a revision, the temporary one apart.
const documents = 120

// A collection's revision is a rewrite of all its documents. Each fourth
// document is there only in even revisions, and each revision has a temporary
// document of its own that is deleted by name once it is published.
type document struct {
	ID    string         `json:"id"`
	Title string         `json:"title"`
	Text  string         `json:"text"`
	Meta  map[string]any `json:"metadata"`
}

// writeRevision writes the source that `ragproxy index` reads.
func writeRevision(path string, revision int) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for i := range documents {
		if onlyEven(i) && revision%2 == 1 {
			continue
		}
		if err := enc.Encode(newDocument("doc-"+strconv.Itoa(i), i, revision)); err != nil {
			return err
		}
	}
	if err := enc.Encode(newDocument(temporary(revision), revision, revision)); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

func onlyEven(i int) bool { return i%4 == 3 }

func temporary(revision int) string { return "temp-" + strconv.Itoa(revision) }

// newDocument has one to three chunks, each of which names the revision.
func newDocument(id string, i, revision int) document {
	sentence := fmt.Sprintf("The harbour master of pier %d lights the lantern in revision r%d, as case %d says of %s. ", i, revision, i%17, id)
	return document{
		ID: id, Title: "Pier " + strconv.Itoa(i),
		Text: strings.Repeat(sentence, 3+i%3*12), Meta: map[string]any{"revision": revision},
	}
}

// question i; no two of a run are the same.
func question(i int) string {
	return fmt.Sprintf("Who lights the lantern of pier %d in case %d, asks number %d?", i%documents, i%17, i)
}

// published is how far the rewriting of the collection is; the order of the
// numbers is that of the deeds.
type published struct {
	begun     atomic.Int64 // the newest revision that may be found
	committed atomic.Int64 // the oldest one that may be
	deleted   atomic.Int64 // the newest revision whose temporary document is gone
}

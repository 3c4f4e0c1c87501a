// Package index holds a collection's documents and chunks on disk and answers
// a query with two legs, vector and keyword.
//
// The package owns the types and the commit: a run of a [Builder] writes what
// is new into a segment, says in a manifest which segments and which of their
// documents make the new generation, and publishes it with one rename, so that
// both legs always know the same documents. What it stores
// with is handed in: a [Splitter], an [Embedder], a [VectorEngine] and a
// [KeywordEngine], each an adapter in a folder below this one.
//
// Start at [Open] to search and at [Index.Build] to fill.
package index

import "strconv"

// Document is one loaded text: a page, a file, a line of a .jsonl file.
type Document struct {
	ID    string         // unique within a collection
	URL   string         // the page's address or the file's path; "" if there is none
	Title string         // "" if there is none; embedded before each chunk, unless it is the file's name
	Text  string         // UTF-8
	Meta  map[string]any // JSON values; may be nil
	Marks []Mark         // in the order of Start; may be nil
}

// Mark is what is known of a document's text from a character on, up to the
// next mark: the page, the heading that it stands under. It is whole: nothing
// of the mark before holds on. A chunk has the metadata of the last mark at or
// before its start, over the document's own.
type Mark struct {
	Start int            `json:"start"`          // in characters (code points) of the text
	Meta  map[string]any `json:"meta,omitempty"` // JSON values
}

// Chunk is one indexed piece of a document's text.
type Chunk struct {
	ID         string         `json:"id"` // see ChunkID
	DocumentID string         `json:"document_id"`
	URL        string         `json:"url"`
	Title      string         `json:"title"`
	Text       string         `json:"text"`
	Ordinal    int            `json:"ordinal"` // position in the document, from 0
	Start      int            `json:"start"`   // in characters (code points) of the document
	End        int            `json:"end"`     // exclusive
	Meta       map[string]any `json:"meta,omitempty"`
}

// ChunkID is the id of a document's chunk: "<document id>#chunk-<ordinal>".
func ChunkID(document string, ordinal int) string {
	return document + "#chunk-" + strconv.Itoa(ordinal)
}

package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/proxy/access"
)

// leakTriples is how many (key, corpus, query) triples are tried; the
// environment may ask for more.
const leakTriples, leakTriplesEnv = 10_000, "RAGPROXY_LEAK_TRIPLES"

// secretDoc is a document with what a key may be held to. Its text is a word
// that no other has: wherever that turns up, the document did.
type secretDoc struct {
	word, collection, team, lang string
	level                        int
}

func (d secretDoc) meta() map[string]any {
	return map[string]any{"team": d.team, "lang": d.lang, "level": d.level}
}

// limit is what a key is held to, as a filter and as a plain predicate; they
// are written apart from the code that is tested.
type limit struct {
	filter map[string]any
	allows func(secretDoc) bool
}

var (
	collectionNames = []string{"default", "a", "b", "c"}
	teams           = []string{"red", "blue", "green"}
	langs           = []string{"en", "de"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomLimit(r *rand.Rand) limit {
	team, lang, level := pick(r, teams), pick(r, langs), r.IntN(5)
	eq := func(key string, v any) map[string]any { return map[string]any{"type": "eq", "key": key, "value": v} }
	switch r.IntN(8) {
	case 0:
		return limit{nil, func(secretDoc) bool { return true }}
	case 1:
		return limit{map[string]any{"team": team}, func(d secretDoc) bool { return d.team == team }}
	case 2:
		return limit{map[string]any{"team": team, "lang": lang}, func(d secretDoc) bool { return d.team == team && d.lang == lang }}
	case 3:
		return limit{map[string]any{"team": []any{team, "nobody"}}, func(d secretDoc) bool { return d.team == team }}
	case 4:
		return limit{map[string]any{"type": "gte", "key": "level", "value": level}, func(d secretDoc) bool { return d.level >= level }}
	case 5:
		return limit{map[string]any{"type": "or", "filters": []any{eq("team", team), eq("lang", lang)}}, func(d secretDoc) bool { return d.team == team || d.lang == lang }}
	case 6:
		return limit{map[string]any{"type": "ne", "key": "team", "value": team}, func(d secretDoc) bool { return d.team != team }}
	default:
		return limit{map[string]any{"type": "and", "filters": []any{eq("team", team), map[string]any{"type": "lt", "key": "level", "value": level}}},
			func(d secretDoc) bool { return d.team == team && d.level < level }}
	}
}

func randomClient(r *rand.Rand) (access.Key, limit) {
	l := randomLimit(r)
	k := access.Key{Name: "k", Filter: l.filter}
	if r.IntN(4) > 0 {
		k.Collections = []string{}
		for _, c := range collectionNames {
			if r.IntN(2) == 0 {
				k.Collections = append(k.Collections, c)
			}
		}
	}
	inner := l.allows
	l.allows = func(d secretDoc) bool {
		return (k.Collections == nil || slices.Contains(k.Collections, d.collection)) && inner(d)
	}
	return k, l
}

func randomCorpus(r *rand.Rand) []secretDoc {
	docs := make([]secretDoc, 4+r.IntN(12))
	for i := range docs {
		docs[i] = secretDoc{fmt.Sprintf("word%xend", r.Uint64()), pick(r, collectionNames), pick(r, teams), pick(r, langs), r.IntN(5)}
	}
	return docs
}

// randomRequest asks in one of the ways there are, with filters that try to
// get around the key's.
func randomRequest(r *rand.Rand) (path, body string, header []string) {
	var filters map[string]any
	switch r.IntN(5) {
	case 0:
		filters = randomLimit(r).filter
	case 1:
		filters = map[string]any{"type": "or", "filters": []any{map[string]any{"type": "ne", "key": "nonesuch", "value": 1}}}
	case 2:
		filters = map[string]any{"team": []any{"red", "blue", "green"}}
	}
	collection := ""
	if r.IntN(3) > 0 {
		collection = pick(r, append([]string{"nonesuch"}, collectionNames...))
	}
	if r.IntN(3) == 0 {
		return "/v1/rag/search", string(mustJSON(map[string]any{"query": "find it", "collection": collection, "filters": filters, "top_k": 100})), nil
	}
	rag := map[string]any{"top_k": 100, "events": pick(r, []any{"all", false, []any{"retrieval"}}), "dialect": pick(r, []string{"rag", "openwebui", "azure", "perplexity", "annotations", "plain"})}
	if filters != nil {
		rag["filters"] = filters
	}
	if collection != "" && r.IntN(2) == 0 {
		header = []string{"X-RAG-Collection", collection}
	} else if collection != "" {
		rag["collection"] = collection
	}
	messages := []any{map[string]any{"role": "user", "content": "find it"}}
	if r.IntN(2) == 0 { // a follow-up is searched for in more than one way
		messages = append(messages, map[string]any{"role": "assistant", "content": "what?"}, map[string]any{"role": "user", "content": "find that"})
	}
	return "/v1/chat/completions", string(mustJSON(map[string]any{"model": "m", "messages": messages, "stream": r.IntN(2) == 0, "rag": rag})), header
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// docSearcher finds every document of a collection that the filters let
// through. It judges filters by itself.
type docSearcher struct{ docs []secretDoc }

func (s *docSearcher) Exists(_ context.Context, name string) error {
	if !slices.Contains(collectionNames, name) {
		return index.ErrNotFound
	}
	return nil
}

func (s *docSearcher) Search(_ context.Context, q index.Query) (index.Legs, error) {
	var legs index.Legs
	for i, d := range s.docs {
		if d.collection == q.Collection && holds(q.Filters, d.meta()) {
			hit := index.Hit{Chunk: index.Chunk{ID: d.word, DocumentID: d.word, URL: "https://x.example/" + d.word, Title: d.word, Text: d.word, Meta: d.meta()}, Score: 1 / float64(i+2)}
			legs.Vector.Hits, legs.Keyword.Hits = append(legs.Vector.Hits, hit), append(legs.Keyword.Hits, hit)
		}
	}
	return legs, nil
}

func holds(f, meta map[string]any) bool {
	list, _ := f["filters"].([]any)
	value := fmt.Sprint(meta[fmt.Sprint(f["key"])])
	switch f["type"] {
	case "and":
		return !slices.ContainsFunc(list, func(x any) bool { return !holds(x.(map[string]any), meta) })
	case "or":
		return slices.ContainsFunc(list, func(x any) bool { return holds(x.(map[string]any), meta) })
	case "eq":
		return value == fmt.Sprint(f["value"])
	case "ne":
		return value != fmt.Sprint(f["value"])
	case "in":
		return slices.ContainsFunc(f["value"].([]any), func(x any) bool { return value == fmt.Sprint(x) })
	case "gte": // one digit
		return value >= fmt.Sprint(f["value"])
	case "lt":
		return value < fmt.Sprint(f["value"])
	}
	for key, want := range f {
		values, isList := want.([]any)
		if !isList {
			values = []any{want}
		}
		if !slices.ContainsFunc(values, func(x any) bool { return fmt.Sprint(x) == fmt.Sprint(meta[key]) }) {
			return false
		}
	}
	return true
}

// leakServer gives all that leaves it: to the client, the upstream, the log.
type leakServer struct {
	*Server
	secret string
	out    bytes.Buffer
}

func newLeakServer(t testing.TB, key access.Key, change func(*Options)) *leakServer {
	store, secrets := addKeys(t, key)
	l := &leakServer{secret: secrets[key.Name]}
	opts := testOptions(t, "http://upstream.example/v1", &fakeSearcher{})
	opts.HTTPClient = &http.Client{Transport: transport{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(&l.out, r.Header, string(body))
		if bytes.Contains(body, []byte(`"stream":true`)) && r.Header.Get(PurposeHeader) == "" {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, `data: {"id":"x","choices":[{"index":0,"delta":{"content":"[1]"},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
			return
		}
		io.WriteString(w, answer)
	})}}
	opts.Keys, opts.Logger = store, slog.New(slog.NewTextHandler(&l.out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	change(&opts)
	l.Server = New(opts)
	return l
}

// try asks once; found counts the documents that came, all of them allowed.
func (l *leakServer) try(t testing.TB, r *rand.Rand, docs []secretDoc, may limit) (found int) {
	l.out.Reset()
	path, body, header := randomRequest(r)
	w := serve(l.Server, "POST", path, body, append(header, "Authorization", "Bearer "+l.secret)...)
	all := w.Body.String() + fmt.Sprint(w.Header()) + l.out.String()
	for _, d := range docs {
		switch {
		case !strings.Contains(all, d.word):
		case !may.allows(d):
			t.Fatalf("LEAK: %s %s %v gave %+v:\n%s", path, body, header, d, all)
		default:
			found++
		}
	}
	if w.Code >= 500 {
		t.Fatalf("%s %s: got %d %s", path, body, w.Code, w.Body)
	}
	return found
}

// underRace says whether the race detector, which takes ten times as long, runs.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestNoLeak(t *testing.T) {
	triples := leakTriples
	if n, err := strconv.Atoi(os.Getenv(leakTriplesEnv)); err == nil {
		triples = n
	} else if underRace() {
		triples /= 10
	}
	found := 0
	const perKey, perRun = 50, 10_000 // a file is written for each key, and taken away after a run
	for from := 0; from < triples; from += perRun {
		t.Run(strconv.Itoa(from), func(t *testing.T) {
			for i := from; i < min(from+perRun, triples); i += perKey {
				r := rand.New(rand.NewPCG(uint64(i), 7))
				key, may := randomClient(r)
				search := &docSearcher{}
				l := newLeakServer(t, key, func(o *Options) { o.Retriever = testOptions(t, "", search).Retriever })
				for range perKey {
					search.docs = randomCorpus(r)
					found += l.try(t, r, search.docs, may)
				}
			}
		})
	}
	t.Logf("%d triples, %d documents found", triples, found)
	if found < triples/10 {
		t.Errorf("got %d documents in %d triples, want enough for the test to mean something", found, triples)
	}
}

// TestNoLeakThroughTheIndex tries fewer, with the real index behind it.
func TestNoLeakThroughTheIndex(t *testing.T) {
	found := 0
	for i := range 10 {
		r := rand.New(rand.NewPCG(uint64(i), 8))
		docs := randomCorpus(r)
		idx := buildIndex(t, docs)
		for range 5 {
			key, may := randomClient(r)
			l := newLeakServer(t, key, func(o *Options) {
				o.Retriever, o.Collections = testOptions(t, "", idx).Retriever, idx.Collections
			})
			for range 10 {
				found += l.try(t, r, docs, may)
			}
		}
	}
	if found < 50 {
		t.Errorf("got %d documents in 500 triples, want enough for the test to mean something", found)
	}
}

func buildIndex(t testing.TB, docs []secretDoc) *index.Index {
	exact, err := vector.New("exact")
	if err != nil {
		t.Fatal(err)
	}
	keyword, err := lexical.New(lexical.Options{})
	if err != nil {
		t.Fatal(err)
	}
	idx := index.Open(index.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Embedder: oneVector{}, Splitter: unsplit{}, Vector: exact, VectorByName: vector.New, Keyword: keyword,
	})
	t.Cleanup(func() { idx.Close() })
	for _, name := range collectionNames {
		b, err := idx.Build(t.Context(), index.BuildOptions{Collection: name})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			if d.collection != name {
				continue
			}
			if _, err := b.Add(t.Context(), "test", index.Document{ID: d.word, Title: d.word, Text: "find it: " + d.word, Meta: d.meta()}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return idx
}

// oneVector finds every text alike.
type oneVector struct{}

func (oneVector) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	return slices.Repeat([][]float32{{1, 0}}, len(texts)), nil
}
func (oneVector) EmbedQuery(context.Context, string) ([]float32, error) { return []float32{1, 0}, nil }
func (oneVector) Space(context.Context) (string, error)                 { return "one@2", nil }

// unsplit does not split.
type unsplit struct{}

func (unsplit) Name() string { return "whole" }
func (unsplit) Split(text string) []index.Piece {
	return []index.Piece{{Text: text, End: len(text)}}
}

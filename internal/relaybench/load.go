package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"
)

// job is a number of streams, a bounded number of them at a time.
type job struct {
	url         string // base URL
	request     request
	concurrency int
	streams     int

	first int // number of the first question, set by run
}

// request is what each stream asks.
type request struct {
	model     string
	deltas    int
	retrieval bool
}

// body is the request's i-th body; each asks something else, so that no cache
// answers.
func (q request) body(i int) []byte {
	rag := `,"rag":{"enabled":false}`
	if q.retrieval {
		rag = ""
	}
	return []byte(`{"model":"` + q.model + `","stream":true,"temperature":0.2,"messages":[{"role":"system","content":"You are terse."},` +
		`{"role":"user","content":"` + question(i) + `"}]` + rag + `}`)
}

func question(i int) string {
	return "What does the " + vocabulary(i) + " say about the " + vocabulary(i/7+3) + " in case " + strconv.Itoa(i) + "?"
}

// outcome is what a job's clients saw.
type outcome struct {
	took   time.Duration // all of it
	median time.Duration // one stream
}

// run streams the job and checks each answer. Errors of a stream count as
// lost and do not end the run.
func (b *bench) run(ctx context.Context, j job) (outcome, error) {
	b.jobs++
	j.first = b.jobs * 100_000
	var next atomic.Int64
	took := make([]time.Duration, j.streams)
	begin := time.Now()
	var wg sync.WaitGroup
	for range j.concurrency {
		wg.Go(func() {
			var buf bytes.Buffer
			for {
				i := int(next.Add(1)) - 1
				if i >= j.streams || ctx.Err() != nil {
					return
				}
				from := time.Now()
				if err := b.stream(ctx, j, i, &buf); err != nil && ctx.Err() == nil {
					b.lost.add(err)
				}
				took[i] = time.Since(from)
			}
		})
	}
	wg.Wait()
	return outcome{time.Since(begin), medianOf(took)}, ctx.Err()
}

// stream reads one answer to its end and checks it.
func (b *bench) stream(ctx context.Context, j job, i int, buf *bytes.Buffer) error {
	b.streams.Add(1)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	resp, err := b.post(ctx, j.url+"/chat/completions", j.request.body(j.first+i), "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	buf.Reset()
	if _, err := buf.ReadFrom(resp.Body); err != nil {
		return fmt.Errorf("after %d bytes: %w", buf.Len(), err)
	}
	if j.request.retrieval {
		return checkRetrieved(buf.Bytes(), j.request.deltas)
	}
	if !bytes.Equal(buf.Bytes(), b.expected(j.request.deltas)) {
		return fmt.Errorf("%s: an answer of %d bytes is not upstream's", j.url, buf.Len())
	}
	return nil
}

// post sends JSON; any status but 200 is an error.
func (b *bench) post(ctx context.Context, url string, body []byte, hang string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer bench")
	if hang != "" {
		req.Header.Set(hangHeader, hang)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", resp.Status, said)
	}
	return resp, nil
}

// checkRetrieved holds an answer with retrieval to what was asked: sources
// first, nothing degraded, each delta in its place, the summary, a clean end.
func checkRetrieved(body []byte, deltas int) error {
	if !bytes.HasSuffix(body, []byte("\n\ndata: [DONE]\n\n")) {
		return fmt.Errorf("an answer of %d bytes does not end in [DONE]", len(body))
	}
	var text, want strings.Builder
	var types []string
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		payload, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok || payload[0] != '{' {
			continue
		}
		text.WriteString(gjson.GetBytes(payload, "choices.0.delta.content").Str)
		if rag := gjson.GetBytes(payload, "rag"); rag.Exists() {
			types = append(types, rag.Get("type").Str)
			if rag.Get("sources.#").Int() == 0 || rag.Get("degraded.#").Int() != 0 {
				return fmt.Errorf("%s without sources or degraded: %.200s", rag.Get("type").Str, rag.Raw)
			}
		}
	}
	for i := range deltas {
		want.WriteString(word(i))
	}
	if text.String() != want.String() {
		return fmt.Errorf("the deltas say %d characters, want %d", text.Len(), want.Len())
	}
	if !slices.Equal(types, []string{"retrieval.done", "summary"}) {
		return fmt.Errorf("got events %v, want retrieval.done and summary", types)
	}
	return nil
}

// losses counts what must not happen.
type losses struct {
	count atomic.Int64
	once  sync.Once
	err   error
}

func (l *losses) add(err error) {
	l.once.Do(func() { l.err = err })
	l.count.Add(1)
}

func (l *losses) first() error {
	l.once.Do(func() { l.err = errors.New("none") })
	return l.err
}

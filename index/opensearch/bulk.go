package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	bulkBytes    = 4 << 20          // of a request
	bulkFlights  = 2                // requests under way; a server that is slow holds the run up
	bulkPatience = 90 * time.Second // how long a request is tried for: a node may come back, a primary be chosen
)

// bulk writes documents to one index. What the server refuses for now, whole
// requests or single documents of them, is tried again; all else ends it. Not
// safe for concurrent use.
type bulk struct {
	engine *Engine
	alias  string
	ctx    context.Context // of the run: requests go on while more is added
	check  func() error    // nil while the run may write

	body    bytes.Buffer
	written int // documents
	slots   chan struct{}
	flying  sync.WaitGroup

	mu  sync.Mutex
	err error
}

func (e *Engine) newBulk(ctx context.Context, store string, check func() error) *bulk {
	return &bulk{engine: e, ctx: ctx, alias: writeAlias(store), check: check, slots: make(chan struct{}, bulkFlights)}
}

// action names a document, and the version that it replaces, if it does.
type action struct {
	ID    string `json:"_id"`
	SeqNo *int64 `json:"if_seq_no,omitempty"`
	Term  *int64 `json:"if_primary_term,omitempty"`
}

// add writes a document, or lets it wait for more. The error may be of one that
// was added before. ctx bounds the wait for those.
func (b *bulk) add(ctx context.Context, a action, document []byte) error {
	head, err := json.Marshal(struct {
		Index action `json:"index"`
	}{a})
	if err != nil {
		return err
	}
	b.body.Write(head)
	b.body.WriteByte('\n')
	b.body.Write(document)
	b.body.WriteByte('\n')
	b.written++
	if b.body.Len() < bulkBytes {
		return nil
	}
	return b.send(ctx)
}

// send starts a request with what has been added.
func (b *bulk) send(ctx context.Context) error {
	if err := b.failed(); err != nil || b.body.Len() == 0 {
		return err
	}
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	body := b.body.Bytes()
	b.body = bytes.Buffer{}
	b.flying.Go(func() {
		defer func() { <-b.slots }()
		if err := b.write(body); err != nil {
			b.fail(err)
		}
	})
	return nil
}

// flush waits until all that was added is written.
func (b *bulk) flush(ctx context.Context) error {
	err := b.send(ctx)
	landed := make(chan struct{})
	go func() {
		defer close(landed)
		b.flying.Wait()
	}()
	select {
	case <-landed:
		return errors.Join(err, b.failed())
	case <-ctx.Done():
		return errors.Join(err, context.Cause(ctx))
	}
}

func (b *bulk) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
}

func (b *bulk) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// write tries a request until every document of it is written. Ids are given,
// so that a try whose answer was lost can be made again.
func (b *bulk) write(body []byte) error {
	end := time.Now().Add(bulkPatience)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if err := b.check(); err != nil {
			return err
		}
		left, err := b.try(body)
		if err == nil && len(left) == 0 {
			return nil
		}
		if err != nil && isServers(err) || b.ctx.Err() != nil {
			return fmt.Errorf("write to OpenSearch: %w", errors.Join(context.Cause(b.ctx), err))
		}
		if time.Now().After(end) {
			return fmt.Errorf("write to OpenSearch: tried for %v: %w", bulkPatience, unreachable(err))
		}
		if len(left) > 0 {
			body = left
		}
		select {
		case <-time.After(wait):
		case <-b.ctx.Done():
		}
	}
}

// try gives the lines of the documents that the server refused for now, with
// the error of one of them.
func (b *bulk) try(body []byte) (left []byte, err error) {
	var answer struct {
		Errors bool `json:"errors"`
		Items  []map[string]struct {
			Status int        `json:"status"`
			Error  *errorBody `json:"error"`
		} `json:"items"`
	}
	path := "/" + b.alias + "/_bulk?require_alias=true&timeout=30s&filter_path=errors,items.*.status,items.*.error"
	if err := b.engine.call(b.ctx, http.MethodPost, path, body, &answer); err != nil || !answer.Errors {
		return nil, err
	}
	rest := body
	for _, item := range answer.Items {
		head, after := line(rest)
		document, after := line(after)
		rest = after
		for _, did := range item {
			if did.Error == nil {
				continue
			}
			refused := did.Error.error(did.Status)
			if !refused.busy() {
				return nil, refused
			}
			err = refused
			left = append(append(left, head...), document...)
		}
	}
	return left, err
}

// line cuts after the first line.
func line(b []byte) (first, rest []byte) {
	at := bytes.IndexByte(b, '\n') + 1
	return b[:at], b[at:]
}

package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// serverError is what a server that answered has against a request.
type serverError struct {
	Status int
	Type   string
	Reason string
}

func (e *serverError) Error() string {
	if advice := e.advice(); advice != "" {
		return fmt.Sprintf("%s (%s)", advice, e.text())
	}
	return e.text()
}

// Unwrap gives the mark that package index has for it.
func (e *serverError) Unwrap() error {
	if e.blocked() {
		return index.ErrReadOnly
	}
	return nil
}

func (e *serverError) text() string {
	if e.Type == "" {
		return fmt.Sprintf("OpenSearch: status %d: %s", e.Status, e.Reason)
	}
	return fmt.Sprintf("OpenSearch: %s: %s", e.Type, e.Reason)
}

// advice says what to do, where that is known.
func (e *serverError) advice() string {
	switch {
	case e.blocked():
		return index.ErrReadOnly.Error() + ": free disk space on its nodes, or add one; where the block stays, set index.blocks.read_only_allow_delete of the index to null"
	case e.Status == http.StatusUnauthorized:
		return "OpenSearch wants credentials: set the user and password in engine.url"
	case e.Status == http.StatusForbidden:
		return "OpenSearch refuses the user of engine.url: grant it to read and write the indices of ragproxy, to make indices and to monitor the cluster"
	case e.Type == "routing_missing_exception" || e.Type == "mapper_parsing_exception" || e.Type == "strict_dynamic_mapping_exception" || e.Type == "illegal_argument_exception" && strings.Contains(e.Reason, "mapper ["):
		return "the index has another mapping than ragproxy makes: remove index templates that match its name, then index --reembed"
	case e.Type == "validation_exception" && strings.Contains(e.Reason, "maximum shards open"):
		return "the cluster takes no more shards: raise cluster.max_shards_per_node, or add a node"
	}
	return ""
}

// blocked says that an index, or the cluster, is read-only, or takes no new
// index; by default the one is so of a node whose disk is 95 % full, the other
// where every node's is 90 % full.
func (e *serverError) blocked() bool {
	return e.block() && slices.ContainsFunc([]string{"read-only", "disk", "create-index blocked"}, func(why string) bool {
		return strings.Contains(e.Reason, why)
	})
}

// busy says that the server may take the same request later.
func (e *serverError) busy() bool {
	if e.blocked() {
		return false
	}
	return e.Status == http.StatusTooManyRequests || e.Status >= 500 || e.block()
}

func (e *serverError) block() bool {
	return e.Type == "cluster_block_exception" || e.Type == "index_create_block_exception"
}

// isServers says whether the server has refused a request, rather than not
// answered, or not been able to.
func isServers(err error) bool {
	var s *serverError
	return errors.As(err, &s) && !s.busy()
}

func hasType(err error, kinds ...string) bool {
	var s *serverError
	if !errors.As(err, &s) {
		return false
	}
	for _, k := range kinds {
		if s.Type == k {
			return true
		}
	}
	return false
}

const (
	noIndex  = "index_not_found_exception"
	conflict = "version_conflict_engine_exception"
	noAlias  = "alias_not_found_exception"
)

// errorBody is an error as OpenSearch writes it: an object, or only words.
type errorBody struct {
	Type     string      `json:"type"`
	Reason   string      `json:"reason"`
	CausedBy *errorBody  `json:"caused_by"`
	Root     []errorBody `json:"root_cause"`
}

func (b *errorBody) UnmarshalJSON(p []byte) error {
	if len(p) > 0 && p[0] == '"' {
		return json.Unmarshal(p, &b.Reason)
	}
	type plain errorBody
	return json.Unmarshal(p, (*plain)(b))
}

// error names the cause that says most: of "all shards failed" it is the
// shards'.
func (b *errorBody) error(status int) *serverError {
	out := &serverError{Status: status, Type: b.Type, Reason: b.Reason}
	if b.Type == "search_phase_execution_exception" && len(b.Root) > 0 {
		out.Type, out.Reason = b.Root[0].Type, b.Root[0].Reason
	}
	for c := b.CausedBy; c != nil; c = c.CausedBy {
		if !strings.Contains(out.Reason, c.Reason) {
			out.Reason += ": " + c.Reason
		}
	}
	return out
}

// call asks the server. body is nil, bytes, or what is written as JSON; the
// answer is read into to, unless that is nil. An answer that is no success is a
// serverError; any other error says that there was none.
func (e *Engine) call(ctx context.Context, method, path string, body, to any) error {
	b, err := e.exchange(ctx, method, path, body)
	if err != nil || to == nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("read OpenSearch's answer: %w", err)
	}
	return nil
}

func (e *Engine) exchange(ctx context.Context, method, path string, body any) ([]byte, error) {
	var from io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case []byte:
		from, kind = bytes.NewReader(b), "application/x-ndjson"
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
		from = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, path, from)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := e.client.Stream(req)
	if resp != nil {
		defer resp.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	// A buffer of the answer's size: growing one costs as much as reading.
	var out bytes.Buffer
	if resp.ContentLength > 0 {
		out.Grow(int(min(resp.ContentLength, 64<<20)) + bytes.MinRead)
	}
	if _, err := out.ReadFrom(resp.Body); err != nil {
		return nil, fmt.Errorf("read OpenSearch's answer: %w", err)
	}
	if resp.StatusCode >= 300 {
		return nil, refused(resp.StatusCode, out.Bytes())
	}
	return out.Bytes(), nil
}

func refused(status int, body []byte) error {
	var answer struct {
		Error errorBody `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error.Reason == "" && answer.Error.Type == "" {
		return &serverError{Status: status, Reason: strings.TrimSpace(string(body[:min(len(body), 200)]))}
	}
	return answer.Error.error(status)
}

// unreachable marks the errors of a server that did not answer.
func unreachable(err error) error {
	if err == nil || isServers(err) || errors.Is(err, index.ErrOpen) {
		return err
	}
	return fmt.Errorf("%w: the server cannot be reached: %w", index.ErrOpen, flat{err})
}

// flat is an error on one line: the client gives each node that it tried a line.
type flat struct{ error }

func (f flat) Error() string { return strings.Join(strings.Fields(f.error.Error()), " ") }

func (f flat) Unwrap() error { return f.error }

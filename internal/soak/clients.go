package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// clients stream from one server.
type clients struct {
	url   string // base URL, with /v1
	key   string
	http  *http.Client
	plan  plan
	state *published
	found *findings

	asked, whole, left atomic.Int64 // streams
	tokens, lost       atomic.Int64
}

func newClients(url, key string, p plan, state *published, found *findings) *clients {
	return &clients{
		url: url, key: key, plan: p, state: state, found: found,
		http: &http.Client{Transport: &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024}},
	}
}

// loop is one client: it asks until ctx is done and reads the last answer to
// its end.
func (c *clients) loop(ctx context.Context, endless context.Context) {
	for ctx.Err() == nil {
		i := int(c.asked.Add(1))
		leave := 0
		if i%25 == 0 {
			leave = 1 + i%c.plan.tokens // this client goes in the middle
		}
		c.ask(endless, i, leave)
	}
}

// ask streams one answer; leave > 0 is the token after which the client goes.
func (c *clients) ask(ctx context.Context, i, leave int) {
	a := newAnswer(i, c.plan.tokens, c.state)
	err := c.stream(ctx, a, c.key, leave)
	c.tokens.Add(int64(a.next))
	switch {
	case ctx.Err() != nil: // the whole run was interrupted
	case err != nil:
		c.lost.Add(int64(a.tokens - a.next))
		c.found.add("stream", fmt.Errorf("stream %d, after %d tokens: %w", i, a.next, err))
	case leave > 0:
		c.left.Add(1)
	default:
		c.whole.Add(1)
	}
}

func (c *clients) stream(ctx context.Context, a *answer, key string, leave int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(a.tokens)*c.plan.pace+time.Minute)
	defer cancel()
	resp, err := c.post(ctx, "/chat/completions", c.body(a.id), key)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return fmt.Errorf("%s: %s", resp.Status, said)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if err := a.line(lines.Bytes()); err != nil {
			return err
		}
		if leave > 0 && a.next >= leave {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return a.end()
}

// body is a first question, or, each fourth, one that has to be rewritten.
func (c *clients) body(i int) string {
	history := ""
	if i%4 == 0 {
		history = `{"role":"user","content":"Is there a harbour?"},{"role":"assistant","content":"There is one."},`
	}
	return `{"model":"` + modelName(i, c.plan.tokens, c.plan.pace) + `","stream":true,"messages":[{"role":"system","content":"You are terse."},` +
		history + `{"role":"user","content":"` + question(i) + `"}]}`
}

func (c *clients) post(ctx context.Context, path, body, key string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	return c.http.Do(req)
}

// status is that of a search whose body is padded to size.
func (c *clients) status(ctx context.Context, key string, size int) (int, error) {
	resp, err := c.post(ctx, "/rag/search", `{"query":"lantern"`+strings.Repeat(" ", size)+`}`, key)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// await asks until the status is want, within patience, and says how long it
// took.
func (c *clients) await(ctx context.Context, key string, size, want int) (time.Duration, error) {
	begin, last := time.Now(), 0
	for time.Since(begin) < patience {
		got, err := c.status(ctx, key, size)
		if err != nil {
			return 0, err
		}
		if got == want {
			return time.Since(begin), nil
		}
		last = got
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("status %d for %s, want %d", last, patience, want)
}

// patience is how long a change may take to be in force; keys have promised 5 s
// on a machine that is not as busy.
const patience = 20 * time.Second

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// operator does to a running server what its operators do.
type operator struct {
	command  func(ctx context.Context, args ...string) (stdout string, err error) // ragproxy
	upstream string                                                               // base URL
	dir      string
	config   string // the server's file
	server   *child.Child
	clients  *clients
	deeds    *deeds
}

// rewrite publishes one more revision, then deletes from it; some are
// compacted and verified, too.
func (o *operator) rewrite(ctx context.Context) error {
	state, source := o.clients.state, filepath.Join(o.dir, "docs.jsonl")
	revision := int(state.begun.Add(1))
	if err := writeRevision(source, revision); err != nil {
		return err
	}
	if _, err := o.command(ctx, "index", "--prune", source); err != nil {
		return err
	}
	state.committed.Store(int64(revision))
	o.deeds.revisions.Add(1)
	if _, err := o.command(ctx, "delete", temporary(revision)); err != nil {
		return err
	}
	state.deleted.Store(int64(revision))
	o.deeds.deletes.Add(1)
	if revision%3 == 0 {
		if _, err := o.command(ctx, "compact"); err != nil {
			return err
		}
		o.deeds.compactions.Add(1)
	}
	if revision%5 == 0 {
		if _, err := o.command(ctx, "verify"); err != nil {
			return err
		}
		o.deeds.verifications.Add(1)
	}
	return nil
}

// key adds a key, streams with it, and revokes it in the middle of that
// stream, which must go on to its end.
func (o *operator) key(ctx context.Context) error {
	name := o.server.Name + "-" + strconv.Itoa(int(o.deeds.keys.Add(1)))
	out, err := o.command(ctx, "keys", "add", name)
	if err != nil {
		return err
	}
	words := strings.Fields(out)
	secret := words[len(words)-1]
	took, err := o.clients.await(ctx, secret, 0, http.StatusOK)
	if err != nil {
		return fmt.Errorf("key that was added: %w", err)
	}
	o.deeds.took("until a new key is in force", took)
	streamed := make(chan error, 1)
	a := newAnswer(int(o.clients.asked.Add(1)), o.clients.plan.tokens, o.clients.state)
	go func() { streamed <- o.clients.stream(ctx, a, secret, 0) }()
	if err := sleep(ctx, o.clients.plan.pace*time.Duration(a.tokens)/2); err != nil {
		return err
	}
	if _, err := o.command(ctx, "keys", "revoke", name); err != nil {
		return err
	}
	if took, err = o.clients.await(ctx, secret, 0, http.StatusUnauthorized); err != nil {
		return fmt.Errorf("key that was revoked: %w", err)
	}
	o.deeds.took("until a revoked key is refused", took)
	if err := <-streamed; err != nil {
		return fmt.Errorf("stream whose key was revoked meanwhile: %w", err)
	}
	return nil
}

// The sizes of bodies that are allowed in turn, and one between them.
const (
	smallBody, largeBody = 4 << 10, 64 << 10
	probe                = 16 << 10
)

// reload changes a limit, and every third time breaks the configuration.
func (o *operator) reload(ctx context.Context) error {
	n := o.deeds.reloads.Add(1)
	if n%3 == 0 {
		return o.reloadBroken(ctx)
	}
	size, want := smallBody, http.StatusRequestEntityTooLarge
	if n%2 == 0 {
		size, want = largeBody, http.StatusOK
	}
	if err := writeLimit(o.config, size); err != nil {
		return err
	}
	if err := o.server.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	took, err := o.clients.await(ctx, o.clients.key, probe, want)
	if err != nil {
		return fmt.Errorf("limits.max_body_bytes of %d: %w", size, err)
	}
	o.deeds.took("until a reload is in force", took)
	return nil
}

func writeLimit(file string, size int) error {
	return os.WriteFile(file, fmt.Appendf(nil, "limits: {max_body_bytes: %d}\n", size), 0o600)
}

const notReloaded = "configuration not reloaded, the old one stays in force"

func (o *operator) reloadBroken(ctx context.Context) error {
	before, err := o.clients.status(ctx, o.clients.key, probe)
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.config, []byte("limits: {max_body_bytes: many}\n"), 0o600); err != nil {
		return err
	}
	if err := o.server.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	want := int(o.deeds.broken.Add(1))
	for begin := time.Now(); ; {
		log, err := os.ReadFile(o.server.Log)
		if err != nil {
			return err
		}
		if bytes.Count(log, []byte(notReloaded)) >= want {
			break
		}
		if time.Since(begin) > patience {
			return fmt.Errorf("the log does not tell a broken configuration, after %s", patience)
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	if after, err := o.clients.status(ctx, o.clients.key, probe); err != nil || after != before {
		return fmt.Errorf("a broken configuration changed a status from %d to %d (%v)", before, after, err)
	}
	return nil
}

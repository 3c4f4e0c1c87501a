package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// rig is what all servers of a run share: a data directory, a key, an
// upstream.
type rig struct {
	plan     plan
	dir      string
	binary   string
	upstream *child.Child
	key      string
	state    published
	found    findings
}

func newRig(ctx context.Context, p plan) (r *rig, err error) {
	r = &rig{plan: p, binary: p.binary}
	if r.dir, err = os.MkdirTemp("", "ragproxy-soak-"); err != nil {
		return nil, err
	}
	if r.binary == "" {
		if r.binary, err = child.Build(ctx, r.dir); err != nil {
			return r, err
		}
	}
	if r.upstream, err = child.StartSelf(ctx, r.dir, "upstream"); err != nil {
		return r, err
	}
	out, err := r.command(ctx, "keys", "add", "soak")
	if err != nil {
		return r, err
	}
	words := strings.Fields(out)
	r.key = words[len(words)-1]
	return r, nil
}

func (r *rig) close() {
	if r.upstream != nil {
		r.upstream.Stop()
	}
	os.RemoveAll(r.dir)
}

func (r *rig) ragproxy(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.binary, args...)
	cmd.Dir = r.dir
	cmd.Env = []string{
		"HOME=" + r.dir, "XDG_CONFIG_HOME=" + r.dir + "/config", "XDG_DATA_HOME=" + r.dir + "/data", "XDG_CACHE_HOME=" + r.dir + "/cache",
		"GOTRACEBACK=all", "RAGPROXY_LISTEN=127.0.0.1:0", "RAGPROXY_LOG_LEVEL=warn", "RAGPROXY_REWRITE_DEADLINE=30s",
		"RAGPROXY_UPSTREAM_BASE_URL=" + r.upstream.URL, "RAGPROXY_UPSTREAM_API_KEY=soak",
		"RAGPROXY_EMBEDDING_PROVIDER=openai", "RAGPROXY_EMBEDDING_BASE_URL=" + r.upstream.URL, "RAGPROXY_EMBEDDING_API_KEY=soak", "RAGPROXY_EMBEDDING_MODEL=soak",
	}
	return cmd
}

// command runs ragproxy to its end.
func (r *rig) command(ctx context.Context, args ...string) (string, error) {
	cmd := r.ragproxy(ctx, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("ragproxy %s: %w: %s", args[0], err, stderr.String())
	}
	return string(out), nil
}

// serve starts a server and brings it to where a baseline can be taken: a wave
// of all streams, and each deed once.
func (r *rig) serve(ctx context.Context, name string) (*operator, error) {
	// A file of the server's own: the other commands are to read no broken one.
	file := filepath.Join(r.dir, "server.yaml")
	if err := writeLimit(file, largeBody); err != nil {
		return nil, err
	}
	server, err := child.Start(ctx, r.dir, name, r.ragproxy(ctx, "serve", "--config", file))
	if err != nil {
		return nil, err
	}
	o := &operator{
		command: r.command, upstream: r.upstream.URL, dir: r.dir, config: file, server: server, deeds: &deeds{},
		clients: newClients(server.URL, r.key, r.plan, &r.state, &r.found),
	}
	steps := []func(context.Context) error{o.rewrite, o.wave, o.key, o.reload, o.reload, o.reload}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			server.Stop()
			return nil, fmt.Errorf("warm up %s: %w", name, err)
		}
	}
	return o, nil
}

// wave is one stream of each client, all together.
func (o *operator) wave(ctx context.Context) error {
	var wg sync.WaitGroup
	for range o.clients.plan.streams {
		i := int(o.clients.asked.Add(1))
		wg.Go(func() { o.clients.ask(ctx, i, 0) })
	}
	wg.Wait()
	return ctx.Err()
}

// settle compacts the collection, has the server open that, and waits until
// the connections are closed and the open files are as calm says, at most for
// calmWithin.
func (o *operator) settle(ctx context.Context, calm func(now, before map[string]int) bool) ([]string, error) {
	if _, err := o.command(ctx, "compact"); err != nil {
		return nil, err
	}
	var before map[string]int
	for begin := time.Now(); ; {
		if err := o.collect(ctx); err != nil {
			return nil, err
		}
		if err := sleep(ctx, 2*time.Second); err != nil {
			return nil, err
		}
		files, err := child.OpenFiles(o.server.Pid())
		if err != nil {
			return nil, err
		}
		now := kinds(files)
		if now[removedFile] == 0 && calm(now, before) || time.Since(begin) > calmWithin {
			return files, nil
		}
		before = now
	}
}

// calmWithin is more than the two minutes after which Go collects garbage in a
// process that does nothing.
const calmWithin = 150 * time.Second

// collect makes the server work until it collects garbage, since the files of
// texts are closed by that, then closes all connections.
func (o *operator) collect(ctx context.Context) error {
	for range 100 {
		if _, err := o.clients.status(ctx, o.clients.key, 0); err != nil {
			return err
		}
	}
	o.clients.http.CloseIdleConnections()
	resp, err := o.clients.http.Get(o.upstream + "/close-idle")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// still is a process whose open files do not change.
func still(now, before map[string]int) bool { return maps.Equal(now, before) }

// unexpected are the lines of a server's log that the run gives no reason for.
func unexpected(log string) []string {
	log, _, _ = strings.Cut(log, "SIGQUIT: quit")
	var out []string
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "upstream: ") && !strings.HasPrefix(line, "listening on ") && !strings.Contains(line, notReloaded) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

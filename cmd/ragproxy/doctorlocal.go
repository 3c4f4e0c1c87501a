package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy/access"
)

// littleSpace is what a collection of some 100,000 chunks and its next
// generation need.
const littleSpace = 1 << 30

func checkDataDir(_ context.Context, cfg *config.Config) finding {
	dir := cfg.DataDir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && cfg.Engine.Kind != config.LocalEngine:
		return ok("%s does not exist, and need not", dir)
	case errors.Is(err, fs.ErrNotExist):
		if err := writable(existingAbove(dir)); err != nil {
			return fail("make it, or name another with data_dir or --data-dir", "%s does not exist and cannot be made: %v", dir, err)
		}
		return warn("`ragproxy index SOURCE` makes it", "%s does not exist yet", dir)
	case err != nil:
		return fail("name another with data_dir or --data-dir", "%v", err)
	case !info.IsDir():
		return fail("name another with data_dir or --data-dir", "%s is no folder", dir)
	}
	if err := writable(dir); err != nil {
		return fail("let this user write there, or name another with data_dir or --data-dir", "%s cannot be written: %v", dir, err)
	}
	free, known := freeSpace(dir)
	switch {
	case !known:
		return ok("%s, writable", dir)
	case free < littleSpace:
		return warn("make room: an index run writes a new generation beside the old one", "%s, writable, only %s free", dir, megabytes(int64(free)))
	}
	return ok("%s, writable, %.1f GB free", dir, float64(free)/1e9)
}

func existingAbove(dir string) string {
	for {
		up := filepath.Dir(dir)
		if _, err := os.Stat(up); err == nil || up == dir {
			return up
		}
		dir = up
	}
}

func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".ragproxy-doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func checkCollections(ctx context.Context, cfg *config.Config) []finding {
	embedder, err := newEmbedder(cfg)
	if err != nil {
		return []finding{fail("", "embedding: %v", err)}
	}
	replaced := map[string]error{} // damaged ones that an older generation stands in for
	engine, err := openToExamine(cfg, embedder, replaced)
	if err != nil {
		return []finding{fail("", "%v", err)}
	}
	defer engine.Close()
	names, err := engine.Names()
	if errors.Is(err, index.ErrOpen) {
		return []finding{warn("", "unknown: the engine does not answer")}
	}
	if err != nil {
		return []finding{fail("", "%v", err)}
	}
	if len(names) == 0 {
		return []finding{warn("`ragproxy index SOURCE` makes one", "there is none")}
	}
	space, err := knownSpace(ctx, embedder)
	if err != nil {
		space = "" // the embedder has a line of its own
	}
	var out []finding
	for _, name := range names {
		f := checkCollectionOf(ctx, engine, name, space)
		if err := replaced[name]; err != nil && f.Status != statusFail {
			f = fail("`ragproxy verify` names the damage, `ragproxy index` or `compact` mends it", "an older generation stands in: %v", err)
		}
		f.Check = "collection " + name
		out = append(out, f)
	}
	return out
}

// openToExamine opens the engine so that what is damaged is noted, not logged.
func openToExamine(cfg *config.Config, embedder index.Embedder, damaged map[string]error) (index.Engine, error) {
	if cfg.Engine.Kind != config.LocalEngine {
		return openEngineWith(cfg, embedder, nil)
	}
	opts, err := localOptions(cfg, embedder, nil)
	if err != nil {
		return nil, err
	}
	opts.Damaged = func(collection string, err error) { damaged[collection] = err }
	return index.Open(opts), nil
}

// checkEngine asks a server for its version, and whether it can be worked with.
func checkEngine(ctx context.Context, cfg *config.Config) finding {
	if cfg.Engine.Kind == config.LocalEngine {
		return ok("local, in data_dir")
	}
	engine, err := openEngineWith(cfg, nil, nil)
	if err != nil {
		return fail("correct it; `ragproxy config` prints what is in force", "%v", err)
	}
	defer engine.Close()
	server, isServer := engine.(index.Server)
	if !isServer {
		return ok("%s", cfg.Engine.Kind)
	}
	where := config.RedactURL(cfg.Engine.URL)
	what, err := server.Check(ctx)
	if err != nil {
		return fail("start it, or mend engine.url", "%s at %s: %s", cfg.Engine.Kind, where, cause(ctx, err))
	}
	return ok("%s at %s", what, where)
}

// knownSpace asks no embedder over the network.
func knownSpace(ctx context.Context, e index.Embedder) (string, error) {
	if e, ok := e.(index.SpaceKnower); ok {
		return e.KnownSpace(), nil
	}
	return e.Space(ctx)
}

func checkCollectionOf(ctx context.Context, engine index.Engine, name, space string) finding {
	legs, err := engine.Search(ctx, index.Query{Text: "doctor", Collection: name, Depth: 1, SkipVector: true})
	if err = errors.Join(err, legs.Keyword.Err); err != nil {
		return fail("`ragproxy verify` names the damage; index it anew, or import a copy", "it does not open: %s", cause(ctx, err))
	}
	m, err := manifestOf(engine, name)
	if err != nil {
		return fail("`ragproxy verify` names the damage", "%v", err)
	}
	switch {
	case m.Documents == 0:
		return warn("`ragproxy index SOURCE --collection "+name+"` fills it", "generation %d, empty", m.Generation)
	case space != "" && !index.SameSpace(m.Space, space):
		return fail("set embedding.* back, or `ragproxy index --reembed --collection "+name+"`",
			"made with another embedder, so only keywords answer: it holds %s, embedding.* gives %s", m.Space, space)
	}
	return ok("generation %d, %d documents, %d chunks, %s, %s", m.Generation, m.Documents, m.Chunks, m.Space, megabytes(m.Size()))
}

func manifestOf(engine index.Engine, name string) (index.Manifest, error) {
	list, err := engine.Collections()
	for _, c := range list {
		if c.Name == name {
			return c.Manifest, nil
		}
	}
	return index.Manifest{}, err
}

func checkKeys(_ context.Context, cfg *config.Config) []finding {
	path := cfg.Auth.File
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return []finding{withoutKeys(cfg)}
	}
	if err != nil {
		return []finding{fail("", "%v", err)}
	}
	keys, err := access.NewFile(path).Keys()
	if err != nil {
		return []finding{fail("mend the file, or move it away and make new keys", "%v", err)}
	}
	count := map[string]int{}
	var expired []string
	for _, k := range keys {
		status := k.Status(time.Now())
		count[status]++
		if status == "expired" {
			expired = append(expired, k.Name)
		}
	}
	text := fmt.Sprintf("%s: %d active, %d expired, %d revoked", path, count["active"], count["expired"], count["revoked"])
	var out []finding
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		out = append(out, warn("chmod 600 "+path, "%s has mode %#o: others on this machine can read it", path, mode))
	}
	if len(expired) > 0 {
		out = append(out, warn("`ragproxy keys revoke NAME` and add it again", "%s (%s)", text, strings.Join(expired, ", ")))
	}
	if count["active"] == 0 {
		out = append(out, warn("`ragproxy keys add NAME`", "%s: nobody may ask", text))
	}
	if len(out) == 0 {
		out = append(out, ok("%s", text))
	}
	return out
}

func withoutKeys(cfg *config.Config) finding {
	host, _, _ := net.SplitHostPort(cfg.Listen) // the configuration was checked
	local := host == "localhost" || net.ParseIP(host) != nil && net.ParseIP(host).IsLoopback()
	switch {
	case local:
		return ok("none: who reaches %s may ask", cfg.Listen)
	case cfg.Auth.OpenToEveryone:
		return warn("`ragproxy keys add NAME`", "none, and auth.open_to_everyone: who reaches %s may ask at your cost", cfg.Listen)
	}
	return fail("`ragproxy keys add NAME`, or listen on 127.0.0.1", "none, and other machines reach %s: `ragproxy serve` will not start", cfg.Listen)
}

func checkTLS(_ context.Context, cfg *config.Config) finding {
	if cfg.TLS.CertFile == "" {
		return ok("off")
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
	if err != nil {
		return fail("name a PEM certificate and its key", "tls.cert_file: %v", err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return fail("name a PEM certificate and its key", "tls.cert_file: %v", err)
	}
	left := time.Until(leaf.NotAfter)
	switch until := leaf.NotAfter.Format(time.DateOnly); {
	case left <= 0:
		return fail("renew it; SIGHUP reads it again", "%s ended on %s", cfg.TLS.CertFile, until)
	case left < 14*24*time.Hour:
		return warn("renew it; SIGHUP reads it again", "%s ends on %s", cfg.TLS.CertFile, until)
	default:
		return ok("%s, until %s", cfg.TLS.CertFile, until)
	}
}

func checkListen(ctx context.Context, cfg *config.Config) finding {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err == nil {
		l.Close()
		return ok("%s is free", cfg.Listen)
	}
	running, ours := runningVersion(ctx, scheme(cfg)+"://"+reachable(cfg.Listen)+"/livez")
	switch {
	case ours && running == version():
		return ok("ragproxy %s answers on %s", running, cfg.Listen)
	case ours:
		return warn("restart it to run this version", "ragproxy %s answers on %s, this is %s", running, cfg.Listen, version())
	}
	return fail("choose another address with listen or --listen", "%v, and it is no ragproxy", err)
}

// runningVersion asks a server for its version; ours is false if it is no
// ragproxy.
func runningVersion(ctx context.Context, address string) (version string, ours bool) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // as in healthcheck
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", false
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	var alive struct{ Status, Version string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&alive); err != nil {
		return "", false
	}
	return clean(alive.Version), alive.Status != "" && alive.Version != ""
}

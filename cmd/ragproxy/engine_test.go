package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ragproxy/ragproxy/internal/ostest"
	"github.com/ragproxy/ragproxy/internal/pgtest"
)

// TestPostgresScripts is the command line's specification where collections
// are kept in PostgreSQL, each script with a server of its own.
func TestPostgresScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/engine/postgres*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("got no scripts (%v), want testdata/engine/postgres*.txtar", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			server := pgtest.Start(t)
			runEngineScript(t, file, server.Database(t), func() { server.Kill(t) }, func() { server.Restart(t) })
		})
	}
}

// TestOpenSearchScripts is the same for OpenSearch.
func TestOpenSearchScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/engine/opensearch*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("got no scripts (%v), want testdata/engine/opensearch*.txtar", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			cluster := ostest.Start(t, ostest.Options{})
			runEngineScript(t, file, cluster.URL(), func() { cluster.KillAll(t) }, func() { cluster.RestartAll(t) })
		})
	}
}

// runEngineScript runs a script with the variable ENGINE for engine.url and the
// commands killengine and startengine.
func runEngineScript(t *testing.T, file, url string, kill, start func()) {
	p := scriptParams()
	p.Files = []string{file}
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("ENGINE", url)
		return setup(env)
	}
	p.Cmds["killengine"] = func(*testscript.TestScript, bool, []string) { kill() }
	p.Cmds["startengine"] = func(*testscript.TestScript, bool, []string) { start() }
	testscript.Run(t, p)
}

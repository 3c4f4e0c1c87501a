package main

import (
	"testing"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/proxy/dialect"
)

// TestConfigKnowsTheDialects holds the list in package config, which may not
// import the table, to the table.
func TestConfigKnowsTheDialects(t *testing.T) {
	for _, name := range dialect.Names() {
		testConfig(t, map[string]string{"stream.dialect": name})
	}
	_, _, err := config.Load(config.LoadOptions{Dir: t.TempDir(), Flags: map[string]string{"stream.dialect": "nonesuch", "data_dir": t.TempDir()}})
	if err == nil {
		t.Error("config takes a dialect that is in no table")
	}
}

func TestAliasesReachTheServer(t *testing.T) {
	cfg := testConfig(t, map[string]string{"aliases": `[{"name":"docs","model":"m","events":["summary"],"markdown":true}]`})
	got := aliases(cfg.Aliases)
	if len(got) != 1 || got[0].Name != "docs" || got[0].Model != "m" || got[0].Events == nil || got[0].Events.Events[0] != "summary" || !*got[0].Markdown {
		t.Errorf("got %+v, want the alias of the configuration", got)
	}
}

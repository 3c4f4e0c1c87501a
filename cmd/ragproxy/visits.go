package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ragproxy/ragproxy/index/load"
)

// visits is what servers said of the pages of a collection when they were last
// loaded, so that a page that did not change is not fetched again. It is kept
// beside the index: losing it costs a fetch, never a document.
type visits struct {
	path string
	// Settings is what decides what a page becomes; under others nothing counts.
	Settings string                `json:"settings"`
	Pages    map[string]load.Visit `json:"pages"`
	seen     map[string]load.Visit // this run's, until they are published
}

// openVisits reads the visits of a collection; what is missing, damaged or of
// other settings is as good as nothing.
func openVisits(folder, collection, settings string) *visits {
	v := &visits{path: filepath.Join(folder, collection+".json")}
	if b, err := os.ReadFile(v.path); err != nil || json.Unmarshal(b, v) != nil || v.Settings != settings {
		v.Settings, v.Pages = settings, nil
	}
	if v.Pages == nil {
		v.Pages = map[string]load.Visit{}
	}
	v.seen = map[string]load.Visit{}
	return v
}

// save keeps what this run saw, once its documents are published.
func (v *visits) save() error {
	if len(v.seen) == 0 {
		return nil
	}
	for id, visit := range v.seen {
		v.Pages[id] = visit
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keep visits: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(v.path), 0o755); err != nil {
		return fmt.Errorf("keep visits: %w", err)
	}
	tmp := v.path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("keep visits: %w", err)
	}
	if err := os.Rename(tmp, v.path); err != nil {
		return fmt.Errorf("keep visits: %w", err)
	}
	return nil
}

package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// bom is a bill of materials, CycloneDX 1.6
// (https://cyclonedx.org/docs/1.6/json/): what of it is said here.
type bom struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	SerialNumber string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp,omitempty"` // the commit's, so that the file is reproducible
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	PURL       string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Licenses   []license  `json:"licenses,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type license struct {
	Expression string `json:"expression"` // SPDX
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// embedded are the parts of the binary that are no Go module; NOTICE says the
// same of them in words, and a test holds the two together.
type embedded struct{ file, kind, name, version, purl, licence string }

func embeddedParts() []embedded {
	return []embedded{
		{"index/embed/minilm/weights.bin", "machine-learning-model", "all-MiniLM-L6-v2", "", "pkg:huggingface/sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0"},
		{"index/load/pdfium/pdfium.wasm", "library", "@embedpdf/pdfium", "2.15.1", "pkg:npm/%40embedpdf/pdfium@2.15.1", "MIT AND BSD-3-Clause AND Apache-2.0"},
	}
}

// writeBOM lists what a binary is made of, from what the toolchain stamped
// into it: exactly the modules that are linked, not all of go.mod.
func writeBOM(path, tree, binary, sum string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read build information of %s: %w", binary, err)
	}
	b := newBOM(info, filepath.Base(binary), sum)
	for _, part := range embeddedParts() {
		sum, err := fileSum(filepath.Join(tree, filepath.FromSlash(part.file)))
		if err != nil {
			return err
		}
		b.add(component{
			Type: part.kind, Ref: part.purl, Name: part.name, Version: part.version, PURL: part.purl,
			Hashes: []hash{{"SHA-256", sum}}, Licenses: []license{{part.licence}},
			Properties: []property{{"ragproxy:file", part.file}},
		})
	}
	raw, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
}

func newBOM(info *debug.BuildInfo, name, sum string) *bom {
	ref := modulePURL(info.Main.Path, info.Main.Version)
	b := &bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		SerialNumber: "urn:uuid:" + uuid(sum),
		Metadata: metadata{
			Timestamp: setting(info, "vcs.time"),
			Component: component{
				Type: "application", Ref: ref, Name: name, Version: info.Main.Version, PURL: ref, Hashes: []hash{{"SHA-256", sum}},
				Properties: []property{{"ragproxy:vcs.revision", setting(info, "vcs.revision")}, {"ragproxy:vcs.modified", setting(info, "vcs.modified")}},
			},
		},
	}
	b.Dependencies = []dependency{{Ref: ref}}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	b.add(component{Type: "library", Ref: modulePURL("std", goVersion), Name: "std", Version: goVersion, PURL: modulePURL("std", goVersion), Licenses: []license{{"BSD-3-Clause"}}})
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		purl := modulePURL(m.Path, m.Version)
		b.add(component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl, Properties: []property{{"ragproxy:go.sum", m.Sum}}})
	}
	return b
}

// add says that the binary is made of c.
func (b *bom) add(c component) {
	b.Components = append(b.Components, c)
	b.Dependencies[0].DependsOn = append(b.Dependencies[0].DependsOn, c.Ref)
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// modulePURL is a package URL of type golang
// (https://github.com/package-url/purl-spec).
func modulePURL(path, version string) string {
	purl := "pkg:golang/" + path
	if version != "" {
		purl += "@" + strings.ReplaceAll(url.PathEscape(version), "+", "%2B")
	}
	return purl
}

// uuid is one of version 8 (RFC 9562) that depends on nothing but the sum.
func uuid(sum string) string {
	return sum[:8] + "-" + sum[8:12] + "-8" + sum[13:16] + "-a" + sum[17:20] + "-" + sum[20:32]
}

package openwebui

import (
	"os"
	"strings"
	"testing"
)

// TestPins holds the list to one version for every package, and what the
// documents say of Open WebUI's version to it.
func TestPins(t *testing.T) {
	list := read(t, "requirements.txt")
	version := ""
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, pin, ok := strings.Cut(line, "==")
		if !ok {
			t.Errorf("requirements.txt does not pin %q", line)
		}
		if name == "open-webui" {
			version = pin
		}
	}
	for path, want := range map[string]string{
		"../../docs/clients.md":          "Open WebUI " + version + " ",
		"../../docs/deploy/compose.yaml": "open-webui:v" + version + "\n",
	} {
		if version == "" || !strings.Contains(read(t, path), want) {
			t.Errorf("%s does not have %q, which requirements.txt pins", path, want)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

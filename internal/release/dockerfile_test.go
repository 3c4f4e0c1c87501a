package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// uid is the image's user, "nonroot".
const uid = 65532

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// instructions are a Dockerfile's, by name, with continued lines joined.
func instructions(t *testing.T) map[string][]string {
	raw, err := os.ReadFile("../../Dockerfile")
	check(t, err)
	out := map[string][]string{}
	for line := range strings.Lines(strings.ReplaceAll(string(raw), "\\\n", " ")) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && !strings.HasPrefix(name, "#") {
			out[name] = append(out[name], strings.Join(strings.Fields(rest), " "))
		}
	}
	return out
}

func TestDockerfile(t *testing.T) {
	got := instructions(t)
	for name, want := range map[string]string{
		"USER":       "65532:65532",
		"ENTRYPOINT": `["/usr/bin/ragproxy"]`,
		"CMD":        `["serve"]`,
		"VOLUME":     "/data",
		"EXPOSE":     "8080",
	} {
		if last := got[name]; len(last) == 0 || last[len(last)-1] != want {
			t.Errorf("got %s %q, want %q", name, last, want)
		}
	}
	from := got["FROM"]
	if len(from) != 2 || !regexp.MustCompile(`^gcr\.io/distroless/static-debian\d+:nonroot$`).MatchString(from[1]) {
		t.Errorf("got stages %q, want a build and a distroless static one", from)
	}
	if check := got["HEALTHCHECK"]; len(check) != 1 || !strings.HasSuffix(check[0], `CMD ["/usr/bin/ragproxy", "healthcheck"]`) {
		t.Errorf("got HEALTHCHECK %q, want ragproxy's own", check)
	}
	env := strings.Fields(strings.Join(got["ENV"], " "))
	for _, want := range []string{"RAGPROXY_DATA_DIR=/data", "RAGPROXY_LISTEN=0.0.0.0:8080", "XDG_CACHE_HOME=/data/cache"} {
		if !slices.Contains(env, want) {
			t.Errorf("got ENV %q, want %s among it", env, want)
		}
	}
}

// TestOneWayToBuild holds the Dockerfile, the Makefile and the release to the
// same flags, and the image to the Go that go.mod asks for.
func TestOneWayToBuild(t *testing.T) {
	flags := "-trimpath -ldflags '-s -w'"
	if want := []string{"-trimpath", "-ldflags", "-s -w"}; !slices.Equal(buildFlags(), want) {
		t.Errorf("the release builds with %q, want %q", buildFlags(), want)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if want := "CGO_ENABLED=0 go build " + flags + " -o bin/ragproxy ./cmd/ragproxy"; !strings.Contains(string(makefile), want) {
		t.Errorf("the Makefile does not build with %q", want)
	}
	got := instructions(t)
	if run := strings.Join(got["RUN"], "\n"); !strings.Contains(run, "CGO_ENABLED=0") || !strings.Contains(run, "go build "+flags+" -o /out/ragproxy ./cmd/ragproxy") {
		t.Errorf("the Dockerfile does not build with %q: %s", flags, run)
	}
	gomod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(gomod))
	if want := " golang:" + wanted[1] + " AS build"; !strings.HasSuffix(got["FROM"][0], want) {
		t.Errorf("the Dockerfile builds FROM %s, want %s as in go.mod", got["FROM"][0], want)
	}
}

// TestContextIsTheCommit: a file that git has and the image's build has not
// would be stamped into the binary as a change, and without .git there would be
// no stamp.
func TestContextIsTheCommit(t *testing.T) {
	left, err := os.ReadFile("../../.dockerignore")
	check(t, err)
	ignored, err := os.ReadFile("../../.gitignore")
	check(t, err)
	for line := range strings.Lines(string(left)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && !strings.Contains(string(ignored), "\n/"+line+"/\n") {
			t.Errorf(".dockerignore leaves out %s, which git does not ignore", line)
		}
	}
}

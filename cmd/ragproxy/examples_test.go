package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/pgtest"
)

// TestExamples executes every example of every command's --help, by sh, in the
// folder that testdata/examples.txtar holds. So that an example can be what
// people would type, five things stand for others in it:
//
//	https://example.org        a server with the folder site
//	127.0.0.1:8080             a running `ragproxy serve` (serve and demo, and
//	                           any other port, take a free one)
//	jq PATH                    a few lines of Go below
//	req-...                    the id of a request to that server
//	postgres://127.0.0.1/...   a real one, where it can be had
//
// A command that goes on until it is told to end is, once it says that it is
// ready. A new command needs nothing here, or a file in examples.txtar, or a
// line in prepared.
func TestExamples(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh: examples are lines for a shell")
	}
	folder, err := os.ReadFile(filepath.Join("testdata", "examples.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	data := indexExamples(t, txtar.Parse(folder))
	var mu sync.Mutex
	executed := map[string]bool{}
	p := scriptParams()
	p.Dir = t.TempDir()
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		return errors.Join(setup(env), os.CopyFS(filepath.Join(env.WorkDir, "home", "data"), os.DirFS(data)))
	}
	database := ""
	if os.Getenv(pgtest.Env) != "" {
		database = pgtest.Start(t).Database(t)
	}
	p.Cmds["executed"] = func(ts *testscript.TestScript, _ bool, args []string) {
		mu.Lock()
		defer mu.Unlock()
		executed[args[0]] = true
	}
	var all []string
	for _, cmd := range commands(newRoot()) {
		examples := examplesOf(cmd)
		if len(examples) == 0 {
			t.Errorf("%s has no example in its help", cmd.CommandPath())
			continue
		}
		if database == "" {
			examples = slices.DeleteFunc(examples, func(line string) bool { return strings.Contains(line, aDatabase) })
		}
		script := strings.ReplaceAll(exampleScript(cmd.CommandPath(), examples), aDatabase, database)
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "_") + ".txtar"
		if err := os.WriteFile(filepath.Join(p.Dir, name), append([]byte(script), folder...), 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range examples {
			all = append(all, exampleID(cmd.CommandPath(), i))
		}
	}
	t.Run("scripts", func(t *testing.T) { testscript.Run(t, p) }) // ends when all of them have
	for _, id := range all {
		if !executed[id] {
			t.Errorf("example %s was not executed", id)
		}
	}
	if database == "" {
		t.Run("postgres", func(t *testing.T) {
			t.Skipf("%s is not set: examples with %s were not executed", pgtest.Env, aDatabase)
		})
	}
}

const aDatabase = "postgres://127.0.0.1/ragproxy"

// indexExamples makes the collections default, docs and notes, and returns the
// folder that stands for $XDG_DATA_HOME.
func indexExamples(t *testing.T, files *txtar.Archive) string {
	t.Helper()
	dir, data := t.TempDir(), t.TempDir()
	if err := txtar.Write(files, dir); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"docs", "notes.txt"}, {"docs", "--collection", "docs"}, {"notes.txt", "--collection", "notes"}} {
		cmd := exec.Command("ragproxy", append([]string{"index"}, args...)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+data)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("index %v: %v: %s", args, err, out)
		}
	}
	return data
}

// prepared is what a command's examples find, beside the folder: commands for
// testscript.
func prepared(command string) string {
	switch command {
	case "ragproxy import":
		return "exec ragproxy export notes.tar --collection notes\nrm $HOME/data/ragproxy/collections/notes\n"
	case "ragproxy delete":
		return "exec ragproxy index $SITE/post --collection notes\n"
	case "ragproxy explain":
		return "env RAGPROXY_OBSERVABILITY_EXPLAIN=10\n"
	case "ragproxy keys revoke":
		return "exec ragproxy keys add alice\n"
	}
	return ""
}

// endless are commands that go on, by what is in the line, with what they say
// when they are ready.
func endless(line string) (ready string) {
	switch {
	case strings.Contains(line, "ragproxy serve"):
		return "^(listening on) "
	case strings.Contains(line, "--watch"):
		return "^(watching)"
	case strings.Contains(line, "ragproxy demo") && !strings.Contains(line, "--once"):
		return "^(playground:)"
	}
	return ""
}

// commands are root and all below it that people see.
func commands(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if !c.Hidden {
			all = append(all, commands(c)...)
		}
	}
	return all
}

func examplesOf(cmd *cobra.Command) []string {
	var lines []string
	for line := range strings.Lines(cmd.Example) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func exampleID(command string, i int) string {
	return fmt.Sprintf("%s[%d]", strings.ReplaceAll(command, " ", "_"), i)
}

var (
	port      = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	requestID = regexp.MustCompile(`req-[A-Z0-9]+`)
)

// exampleScript prepares, runs each example, and ends what still runs.
func exampleScript(command string, examples []string) string {
	var b strings.Builder
	b.WriteString("env RAGPROXY_LOAD_ALLOW_PRIVATE=true RAGPROXY_LOAD_DELAY=0s RAGPROXY_LISTEN=127.0.0.1:0\nhttpserve site SITE\n")
	b.WriteString(prepared(command))
	if strings.Contains(strings.Join(examples, "\n"), "127.0.0.1:8080") {
		b.WriteString("exec sh -c 'exec ragproxy serve --listen 127.0.0.1:0 2>server.log' &server&\nawait server.log '^listening on http://(\\S+)\\n' SERVER\n")
	}
	if requestID.MatchString(strings.Join(examples, "\n")) {
		b.WriteString("request POST http://$SERVER/v1/chat/completions chat.json\nawait server.log 'request_id=(req-[A-Z0-9]+)' REQUEST\n")
	}
	fmt.Fprintf(&b, "exec %s --help\nstdout '^Examples:\\n'\n", command)
	for i, line := range examples {
		line = strings.ReplaceAll(line, "https://example.org", "$SITE")
		ready := endless(line)
		if ready != "" {
			line = port.ReplaceAllString(line, "127.0.0.1:0")
		}
		line = strings.ReplaceAll(line, "127.0.0.1:8080", "$SERVER")
		line = requestID.ReplaceAllLiteralString(line, "$REQUEST")
		quoted := strings.ReplaceAll(line, "'", "''")
		if ready == "" {
			fmt.Fprintf(&b, "stdin question.txt\nexec sh -c '%s'\n", quoted)
		} else {
			before, _, _ := strings.Cut(quoted, " #")
			fmt.Fprintf(&b, "exec sh -c 'exec env %s >%d.log 2>&1' &example%d&\n", before, i, i)
			fmt.Fprintf(&b, "await %d.log '%s' _\nkill -INT example%d\nwait example%d\n", i, ready, i, i)
		}
		fmt.Fprintf(&b, "executed %s\n", exampleID(command, i))
	}
	if strings.Contains(b.String(), "&server&") {
		b.WriteString("kill -INT server\nwait server\n")
	}
	return b.String()
}

// jq stands in for the program: it prints the member that the path .NAME names
// of each line, and fails where a line has none.
func jq() {
	lines, _ := io.ReadAll(os.Stdin)
	found := false
	for line := range strings.Lines(string(lines)) {
		value := gjson.Get(line, strings.TrimPrefix(os.Args[1], "."))
		if found = value.Exists(); !found {
			break
		}
		fmt.Println(value.Raw)
	}
	if !found {
		os.Exit(1)
	}
}

package proxy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faultTest is a test of faults somewhere in the project. Its faults are the
// names in its table; one without a table is one fault.
type faultTest struct {
	pkg, test, what string
	table           string   // the function that has the table
	names           []string // of transcripts, where the table is a folder
}

type faultSection struct {
	title string
	tests []faultTest
}

// faultSections are what docs/reliability.md lists beside the matrix.
func faultSections() []faultSection {
	return []faultSection{
		{"Files", []faultTest{
			{pkg: "index", test: "TestFaults", table: "changes", what: "each file operation of these runs fails once, and once with all that follow (EIO, ENOSPC), with and without a power cut then"},
			{pkg: "index", test: "TestRunAfterAFailedWrite", what: "a write fails, and the same process runs again"},
			{pkg: "index", test: "TestTorture", what: "kill -9 at random moments of random deeds"},
			{pkg: "index", test: "TestKilledAtAnyStep", what: "killed at each step of a run"},
			{pkg: "index", test: "TestDamagedFile", what: "each file emptied, cut, longer, gone, or with a bit flipped"},
			{pkg: "index", test: "TestOlderGenerationStandsIn", table: "TestOlderGenerationStandsIn", what: "the last generation's file is damaged and the one before is whole"},
			{pkg: "index", test: "TestGarbageInCurrent", what: "the name of the generation is garbage"},
			{pkg: "index", test: "TestMissingCurrent", what: "the name of the generation is gone"},
			{pkg: "index", test: "TestManifest", table: "TestManifest", what: "the manifest"},
			{pkg: "index", test: "TestTornCache", table: "TestTornCache", what: "the vectors that an interrupted run left"},
			{pkg: "index", test: "TestTransientOpenErrorIsTriedAgain", table: "TestTransientOpenErrorIsTriedAgain", what: "what does not open for a moment"},
			{pkg: "index", test: "TestDeadFileIsNotOpenedAllTheTime", what: "a file that stays away"},
			{pkg: "index", test: "TestSlowOpen", what: "a disk that hangs while the index opens"},
			{pkg: "index", test: "TestHangingLeg", what: "a disk that hangs under one leg"},
			{pkg: "index", test: "TestEngineIsNotBelieved", table: "TestEngineIsNotBelieved", what: "an engine that answers with what cannot be"},
			{pkg: "index", test: "TestEnginePanicsWhileOpening", what: "files that break their engine"},
			{pkg: "index", test: "TestSecondRunIsRefused", what: "two writers"},
			{pkg: "index", test: "TestHostileArchives", table: "TestHostileArchives", what: "an archive to import"},
			{pkg: "index/lexical", test: "TestOpenRefuses", table: "TestOpenRefuses", what: "the keyword leg's files"},
			{pkg: "index/lexical", test: "TestFlippedBits", what: "any bit of the keyword leg's files"},
			{pkg: "index/vector", test: "TestDamage", what: "the graph's file"},
			{pkg: "index/load", test: "TestBombs", table: "bombFiles", what: "documents that blow up"},
			{pkg: "index/load", test: "TestWebBombs", what: "pages that blow up"},
			{pkg: "index/load", test: "TestPanics", what: "a document that breaks its loader"},
			{pkg: "index/load", test: "TestParseTimeout", what: "a document that takes for ever"},
		}},
		{"Embedder", []faultTest{
			{pkg: "index/embed", test: "TestRetryThenSuccess", table: "TestRetryThenSuccess", what: "fails once"},
			{pkg: "index/embed", test: "TestDeadServerIsGivenUpWithinMaxElapsed", table: "TestDeadServerIsGivenUpWithinMaxElapsed", what: "dead during a run"},
			{pkg: "index/embed", test: "TestWrongAnswersAreErrorsAndNotRepeated", table: "TestWrongAnswersAreErrorsAndNotRepeated", what: "wrong answers"},
			{pkg: "index/embed", test: "TestOtherDimensionsThanBefore", what: "the model was exchanged"},
			{pkg: "index/embed", test: "TestAnswerOfUnboundedLength", what: "an answer without end"},
			{pkg: "index/embed", test: "TestRedirectIsNotFollowed", what: "sends elsewhere"},
			{pkg: "index/embed", test: "TestDeadServerIsLeftAlone", table: "TestDeadServerIsLeftAlone", what: "dead for queries: the circuit opens"},
			{pkg: "index/embed", test: "TestSlowServerIsLeftAlone", what: "too slow for queries: the circuit opens"},
			{pkg: "index/embed", test: "TestOneTextOpensNothing", what: "refuses one text"},
			{pkg: "index", test: "TestBadEmbedderEndsTheRun", table: "TestBadEmbedderEndsTheRun", what: "of any kind, during a run"},
			{pkg: "index", test: "TestBadQueryVectorIsTheLegsError", table: "TestBadQueryVectorIsTheLegsError", what: "of any kind, for a query"},
			{pkg: "index", test: "TestOtherSpaceIsRefused", what: "another model than the index was made with"},
		}},
		{"Upstream", []faultTest{
			{pkg: "proxy", test: "TestUpstreamDown", what: "refuses the connection"},
			{pkg: "proxy", test: "TestUpstreamFaults", table: "TestUpstreamFaults", what: "what it sends, and how it ends"},
			{pkg: "proxy", test: "TestUpstreamThatNeverAnswers", what: "hangs before its header"},
			{pkg: "proxy", test: "TestUpstreamHangsInMidStream", what: "hangs in mid-stream"},
			{pkg: "proxy", test: "TestHugeLineAndGzip", what: "a line of ten megabytes, in gzip"},
			{pkg: "proxy", test: "TestPlainIsCutWithoutAWord", what: "breaks off where nothing may be added"},
			{pkg: "proxy", test: "TestTranscripts", what: "to the letter", names: []string{
				"stream_cut", "stream_no_done", "stream_instream_error", "stream_upstream_error", "stream_live_upstream_error", "stream_quirks",
			}},
			{pkg: "proxy", test: "TestDeadRewriterIsLeftAlone", what: "the rewriter is dead: the circuit opens"},
			{pkg: "retrieval/rerank", test: "TestWrongAnswers", what: "a re-ranker's wrong answers"},
			{pkg: "retrieval/rerank", test: "TestRefusals", what: "a re-ranker's refusals"},
		}},
		{"Client", []faultTest{
			{pkg: "proxy", test: "TestClientFaults", table: "TestClientFaults", what: "what it sends, and how it goes"},
			{pkg: "proxy", test: "TestClientGoneCancelsTheUpstream", table: "TestClientGoneCancelsTheUpstream", what: "goes during"},
			{pkg: "proxy", test: "TestSlowReader", what: "takes nothing of its answer"},
			{pkg: "proxy", test: "TestSlowBody", what: "sends its body too slowly"},
			{pkg: "proxy", test: "TestSlowLoris", what: "thousands of connections that never end their request"},
			{pkg: "proxy", test: "TestClientsOpenNothing", what: "its own refusals, and its going away, open no circuit for others"},
		}},
	}
}

// minFaults is how many faults the list must have, without the matrix.
const minFaults = 60

const (
	faultsBegin = "<!-- faults: written by go test ./proxy -run TestFaultList -update -->\n"
	faultsEnd   = "<!-- /faults -->\n"
)

// TestFaultList holds the list of faults in docs/reliability.md to the tests
// that there are.
func TestFaultList(t *testing.T) {
	var b strings.Builder
	total := 0
	for _, section := range faultSections() {
		fmt.Fprintf(&b, "\n%s:\n\n", section.title)
		for _, f := range section.tests {
			names := f.find(t)
			total += max(1, len(names))
			fmt.Fprintf(&b, "- %s: `%s` `%s`", f.what, f.pkg, f.test)
			if len(names) > 0 {
				fmt.Fprintf(&b, ": %s", strings.Join(names, "; "))
			}
			b.WriteByte('\n')
		}
	}
	if total < minFaults {
		t.Errorf("got %d faults, want at least %d", total, minFaults)
	}
	fmt.Fprintf(&b, "\n%d faults by name, and the %d of the matrix.\n", total, len(cells()))
	checkGenerated(t, faultsBegin, faultsEnd, b.String())
}

// find returns the names of the test's faults; the test must be there.
func (f faultTest) find(t *testing.T) []string {
	t.Helper()
	dir := filepath.Join("..", filepath.FromSlash(f.pkg))
	functions := testFunctions(t, dir)
	if functions[f.test] == nil {
		t.Errorf("%s has no %s", f.pkg, f.test)
		return nil
	}
	for _, name := range f.names {
		if _, err := os.Stat(filepath.Join(dir, "testdata", name+".txtar")); err != nil {
			t.Errorf("%s %s: %v", f.pkg, f.test, err)
		}
	}
	if f.names != nil {
		return f.names
	}
	if f.table == "" {
		return nil
	}
	table := functions[f.table]
	if table == nil {
		t.Errorf("%s has no function %s", f.pkg, f.table)
		return nil
	}
	names := tableNames(table)
	if len(names) == 0 {
		t.Errorf("%s %s has no table with names", f.pkg, f.table)
	}
	return names
}

func testFunctions(t *testing.T, dir string) map[string]*ast.FuncDecl {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("list tests of %s: %v, %d files", dir, err, len(files))
	}
	out := map[string]*ast.FuncDecl{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				out[fn.Name.Name] = fn
			}
		}
	}
	return out
}

// tableNames are the names in the first table of a function, which is a slice
// of structs that have one, a map by them, or a slice of them.
func tableNames(fn *ast.FuncDecl) []string {
	var names []string
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		table, ok := n.(*ast.CompositeLit)
		if !ok || len(names) > 0 {
			return len(names) == 0
		}
		if found := namesOf(table); len(found) > 1 {
			names = found
		}
		return true
	})
	return names
}

func namesOf(table *ast.CompositeLit) []string {
	var names []string
	for _, element := range table.Elts {
		name := ""
		switch e := element.(type) {
		case *ast.KeyValueExpr: // of a map, or a field
			if _, ok := table.Type.(*ast.MapType); ok {
				name = text(e.Key)
			}
		case *ast.CompositeLit:
			if len(e.Elts) > 0 {
				name = rowName(e)
			}
		default:
			name = text(e)
		}
		if name == "" {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// rowName is the field called name, or the first one.
func rowName(row *ast.CompositeLit) string {
	first, ok := row.Elts[0].(*ast.KeyValueExpr)
	if !ok {
		return text(row.Elts[0])
	}
	if id, ok := first.Key.(*ast.Ident); ok && id.Name == "name" {
		return text(first.Value)
	}
	return ""
}

// text is a literal's, "" of anything else.
func text(e ast.Expr) string {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return s
}

// checkGenerated holds a part of the documentation to what it should be;
// -update writes it.
func checkGenerated(t *testing.T, begin, end, want string) {
	t.Helper()
	b, err := os.ReadFile(reliability)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(b), begin)
	have, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place between %q and %q", reliability, begin, end)
	}
	if *update {
		if err := os.WriteFile(reliability, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s is not as the tests are (-want +got; -update writes it):\n%s", reliability, diff)
	}
}

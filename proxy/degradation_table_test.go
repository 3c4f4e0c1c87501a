package proxy

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// row is what was seen of a cell.
type row struct {
	cell
	seen   shown
	failed int // the status under the policy fail
}

const (
	reliability = "../docs/reliability.md"
	tableBegin  = "<!-- degradation: written by go test ./proxy -run TestDegradation -update -->\n"
	tableEnd    = "<!-- /degradation -->\n"
)

// checkTable holds the table of the documentation to what was seen.
func checkTable(t *testing.T, rows []row) {
	b, err := os.ReadFile(reliability)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(b), tableBegin)
	have, after, closed := strings.Cut(rest, tableEnd)
	if !found || !closed {
		t.Fatalf("%s has no place for the table, between %q and %q", reliability, tableBegin, tableEnd)
	}
	want := table(rows)
	if *update {
		if err := os.WriteFile(reliability, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s is not what was seen (-want +got; -update writes it):\n%s", reliability, diff)
	}
}

func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| stage | | fault | event | `degraded` | passages | with `fail` |\n|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		events, degraded := "none: it is no failure", "-"
		if len(r.seen.Events) > 0 {
			events = "`" + strings.Join(r.seen.Events, "`, `") + "`"
			events = strings.ReplaceAll(events, " -> `", "`") // nobody stands in
			degraded = "`" + strings.Join(r.seen.Degraded, "`, `") + "`"
		}
		passages := "none"
		if r.seen.Passages > 0 {
			passages = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.stage, r.kind, r.fault, events, degraded, passages, outcome(r))
	}
	return b.String()
}

func outcome(r row) string {
	if r.failed == http.StatusServiceUnavailable {
		return fmt.Sprintf("503 `degrade.%s`", r.stage)
	}
	return fmt.Sprint(r.failed)
}

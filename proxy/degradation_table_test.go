package proxy

import (
	"fmt"
	"net/http"
	"strings"
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

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// report is the table at the end.
type report struct{ rows []row }

type row struct{ what, figure, target, verdict, note string }

// most adds a figure that is to be at most target; format is that of both.
func (r *report) most(what, format string, figure, target float64, note string) {
	r.add(what, format, figure, "<= "+fmt.Sprintf(format, target), figure <= target, note)
}

// least adds a figure that is to be at least target.
func (r *report) least(what, format string, figure, target float64, note string) {
	r.add(what, format, figure, ">= "+fmt.Sprintf(format, target), figure >= target, note)
}

func (r *report) add(what, format string, figure float64, target string, ok bool, note string) {
	verdict := "ok"
	if !ok {
		verdict = "MISSED"
	}
	r.rows = append(r.rows, row{what, fmt.Sprintf(format, figure), target, verdict, note})
}

// info adds a figure without a target.
func (r *report) info(what, format string, figure float64, note string) {
	r.rows = append(r.rows, row{what, fmt.Sprintf(format, figure), "", "", note})
}

func (r *report) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nwhat\tfigure\ttarget\t\tnote")
	for _, x := range r.rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", x.what, x.figure, x.target, x.verdict, x.note)
	}
	t.Flush()
}

// medianOf is the middle value, the upper one of two; the zero value of none.
func medianOf[T cmp.Ordered](values []T) (m T) {
	if len(values) == 0 {
		return m
	}
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

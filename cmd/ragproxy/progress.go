package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// quiet is how long a run may take before anything is shown, and the time
// between lines where there is no terminal.
const (
	quiet    = 2 * time.Second
	interval = 5 * time.Second
)

// progress shows how far an index run is: a bar on a terminal, a line now and
// then elsewhere. How much is still to come is not known: sources are read as
// they are indexed.
type progress struct {
	w         io.Writer
	bar       *progressbar.ProgressBar // nil without a terminal
	begin     time.Time
	last      time.Time
	documents int
	chunks    int
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, begin: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetDescription("loading"), progressbar.OptionThrottle(100*time.Millisecond))
	}
	return p
}

func (p *progress) loaded() {
	p.documents++
	p.show()
}

func (p *progress) embedded(chunks int) {
	p.chunks = chunks
	p.show()
}

func (p *progress) show() {
	if time.Since(p.begin) < quiet {
		return
	}
	if p.bar != nil {
		p.bar.Describe(p.line())
		_ = p.bar.Add(1) // an ornament that cannot be drawn is no error
		return
	}
	if time.Since(p.last) >= interval {
		p.last = time.Now()
		fmt.Fprintln(p.w, p.line())
	}
}

func (p *progress) line() string {
	rate := float64(p.chunks) / time.Since(p.begin).Seconds()
	return fmt.Sprintf("%d documents loaded, %d chunks embedded (%.0f/s)", p.documents, p.chunks, rate)
}

// clear makes room for another line on the terminal.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}

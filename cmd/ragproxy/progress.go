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
// then elsewhere. How much is still to come is known where the sources are files:
// they are read as they are indexed.
type progress struct {
	w         io.Writer
	bar       *progressbar.ProgressBar // nil without a terminal
	begin     time.Time
	last      time.Time
	documents int
	chunks    int

	got   int64 // bytes of the files read so far
	whole int64 // of all of them; 0 is not known
	// total gives whole. It is asked once, when there is something to show. May
	// be nil.
	total func() (bytes int64, known bool)
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

func (p *progress) read(bytes int64) { p.got += bytes }

func (p *progress) show() {
	if time.Since(p.begin) < quiet {
		return
	}
	if p.total != nil {
		p.whole, _ = p.total()
		p.total = nil
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
	took := time.Since(p.begin)
	line := fmt.Sprintf("%d documents loaded, %d chunks embedded (%.0f/s)", p.documents, p.chunks, float64(p.chunks)/took.Seconds())
	return line + left(took, p.got, p.whole)
}

// left says how much of the files has been read, and how long the rest takes if
// it goes on so; "" where that is not known. What comes behind the last
// byte, the last embeddings and the commit, is not in it.
func left(took time.Duration, done, whole int64) string {
	if whole <= 0 || done <= 0 {
		return ""
	}
	done = min(done, whole)
	rest := time.Duration(float64(took) * (float64(whole)/float64(done) - 1))
	return fmt.Sprintf(", %d%% read, about %s left", done*100/whole, rest.Round(roundTo(rest)))
}

// roundTo: nobody counts the seconds of an hour.
func roundTo(d time.Duration) time.Duration {
	if d >= 10*time.Minute {
		return time.Minute
	}
	return time.Second
}

// clear makes room for another line on the terminal.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}

package index

import (
	"context"
	"time"
)

// Served is a collection as searches of this process see it.
type Served struct {
	Collection string
	Generation int
	Documents  int
	// Lag is how long after its publication this process had the generation
	// open; of one that was published before the process began, how long after
	// that. Open says whether it was opened at all: nothing is before it is
	// searched.
	Lag  time.Duration
	Open bool
}

// Served lists the published collections by name. A collection that has been
// searched is followed to what was published last, as a search would: without
// searches the lag is that of the calls of Served. The error names those that
// cannot be read.
func (x *Index) Served() ([]Served, error) {
	list, err := x.Collections()
	out := make([]Served, 0, len(list))
	for _, c := range list {
		s := Served{Collection: c.Name, Generation: c.Manifest.Generation, Documents: c.Manifest.Documents}
		if x.opened(c.Name) {
			x.describe(&s)
		}
		out = append(out, s)
	}
	return out, err
}

func (x *Index) opened(collection string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.open[collection] != nil
}

// describe tells what is open. What cannot be opened any more stays described
// by its manifest.
func (x *Index) describe(to *Served) {
	s, err := x.snapshot(context.Background(), to.Collection)
	if err != nil {
		return
	}
	defer s.release()
	published := time.Unix(0, s.current.time)
	if published.Before(x.began) {
		published = x.began
	}
	to.Generation, to.Documents = s.gen.manifest.Generation, s.gen.manifest.Documents
	to.Lag, to.Open = max(0, s.since.Sub(published)), true
}

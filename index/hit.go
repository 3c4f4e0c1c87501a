package index

import "context"

// Hit is a chunk that a search found. Score is the leg's own (cosine, BM25)
// or the fused one, by where the hit came from; higher is better.
//
// Both legs together find far more chunks than are kept, so that a search may
// leave out of a chunk what it would have to read for it: all but ID,
// DocumentID and Ordinal. [Load] reads that.
type Hit struct {
	Chunk Chunk
	Score float64

	rest Rest // nil where the chunk is whole
	at   int
}

// Rest reads what a search left out of its hits. Hits whose Rest are equal are
// read together. Safe for concurrent use.
type Rest interface {
	// Load puts whole chunks into the hits, whose At tells them apart beside
	// what their chunks have, and returns an error for each hit: nil where it
	// could.
	Load(ctx context.Context, hits []*Hit) []error
}

// LateHit is a hit whose chunk is not whole. at is for its Rest to go by.
func LateHit(c Chunk, score float64, rest Rest, at int) Hit {
	return Hit{Chunk: c, Score: score, rest: rest, at: at}
}

// At is what the hit was made with by [LateHit].
func (h *Hit) At() int { return h.at }

// Load reads what a search left out of hits, from a server with one request for
// all of them. The errors are the hits', nil for each that is whole now. It works
// for as long as the hits are held, also when their generation has been replaced
// since; of a [Server] for a minute.
func Load(ctx context.Context, hits []*Hit) []error {
	errs := make([]error, len(hits))
	for first, h := range hits {
		if h.rest == nil || errs[first] != nil {
			continue
		}
		var same []*Hit
		var places []int
		for i := first; i < len(hits); i++ {
			if hits[i].rest == h.rest {
				same, places = append(same, hits[i]), append(places, i)
			}
		}
		for i, err := range h.rest.Load(ctx, same) {
			if errs[places[i]] = err; err == nil {
				same[i].rest = nil
			}
		}
	}
	return errs
}

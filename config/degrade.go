package config

import (
	"math"
	"time"
)

// Degrade says what the failure of a stage does to a request: continue (it is
// told, and the answer comes without the stage) or fail (a 503). Default
// continue.
type Degrade struct {
	// Rewrite is the call that makes a follow-up standalone; without it the
	// user's own words are searched.
	Rewrite string `key:"rewrite"`
	// Embed is the embedding of the query, without which the vector leg finds
	// nothing.
	Embed string `key:"embed"`
	// Vector and BM25 are the legs themselves.
	Vector string `key:"vector"`
	BM25   string `key:"bm25"`
	// Rerank is the re-ranker; without it the fused order stands.
	Rerank string `key:"rerank"`
	// Index is the opening of the collection, without which both legs find
	// nothing.
	Index string `key:"index"`
}

// Policies are the stages with what they do, by the stage's name.
func (d Degrade) Policies() map[string]string {
	return map[string]string{
		"rewrite": d.Rewrite, "embed": d.Embed, "vector": d.Vector, "bm25": d.BM25, "rerank": d.Rerank, "index": d.Index,
	}
}

// Breaker stops asking an embedder or a rewriter over HTTP that is dead.
type Breaker struct {
	// Failures in a row after which it is not asked; 0 = always asked.
	// Default 5.
	Failures int `key:"failures"`
	// OpenFor is how long, until one request tries again; above 0, at most 1h.
	// Default 30s.
	OpenFor time.Duration `key:"open_for"`
}

// Policies of Degrade.
const (
	Continue = "continue"
	Fail     = "fail"
)

func (k *checker) degrade() {
	d := k.c.Degrade
	for _, p := range []struct{ key, value string }{
		{"rewrite", d.Rewrite}, {"embed", d.Embed}, {"vector", d.Vector}, {"bm25", d.BM25}, {"rerank", d.Rerank}, {"index", d.Index},
	} {
		k.oneOf("degrade."+p.key, p.value, []string{Continue, Fail})
	}
	between(k, "breaker.failures", k.c.Breaker.Failures, 0, math.MaxInt32)
	between(k, "breaker.open_for", k.c.Breaker.OpenFor, time.Millisecond, time.Hour)
}

package index

import (
	"context"
	"strings"
)

// UnknownDims ends a space whose dimensions are not known yet: "model@?".
const UnknownDims = "@?"

// SpaceKnower is implemented by embedders whose Space may make a request.
// KnownSpace makes none; where the dimensions are not known yet it ends in
// [UnknownDims].
type SpaceKnower interface{ KnownSpace() string }

// space is the embedder's; offline nobody is asked for it.
func (x *Index) space(ctx context.Context, offline bool) (string, error) {
	if e, ok := x.opts.Embedder.(SpaceKnower); ok && offline {
		return e.KnownSpace(), nil
	}
	return x.opts.Embedder.Space(ctx)
}

// SameSpace says whether vectors of two spaces can be compared, as far as that
// is known: dimensions that are not known may be any.
func SameSpace(a, b string) bool {
	if a == b {
		return true
	}
	modelA, dimsA := cutSpace(a)
	modelB, dimsB := cutSpace(b)
	return modelA == modelB && (dimsA == UnknownDims || dimsB == UnknownDims)
}

// cutSpace cuts before the last "@": a model's name may hold others.
func cutSpace(space string) (model, dims string) {
	at := max(0, strings.LastIndexByte(space, '@'))
	return space[:at], space[at:]
}

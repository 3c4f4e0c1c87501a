package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/ragproxy/ragproxy/index"
)

// EmbedAhead is how many chunks are embedded together.
const EmbedAhead = 128

// Vectors gives the chunks of a run their vectors. Not safe for concurrent use.
type Vectors struct {
	Embedder index.Embedder
	// Known gives the vectors of those texts, by their keys, that were embedded
	// before in the same space.
	Known func(ctx context.Context, keys []index.Key) (map[index.Key][]float32, error)
	// Told is called with how many texts of a call are still to be embedded.
	Told func(left int)
	Dims int // of all vectors; 0 before there are any

	// What this run embedded last: the same text often comes in many documents,
	// and what was written a moment ago cannot be looked for yet.
	latest map[index.Key][]float32
}

// mostLatest is how many vectors are remembered of a run.
const mostLatest = 8192

// Of gives a unit vector, and its text's key, for each chunk of the documents in
// their order. A text whose vector is at hand is not embedded again, and a
// document that came with vectors keeps those.
func (v *Vectors) Of(ctx context.Context, list []index.Stored) ([][]float32, []index.Key, error) {
	var keys, all []index.Key
	texts := map[index.Key]string{}
	for _, p := range list {
		for _, text := range p.Cut.Texts {
			k := index.KeyOf(text)
			keys = append(keys, k)
			if _, ok := texts[k]; !ok && p.Cut.Vectors == nil {
				all, texts[k] = append(all, k), text
			}
		}
	}
	if len(keys) == 0 {
		return nil, nil, nil
	}
	var known map[index.Key][]float32
	if len(all) > 0 {
		var err error
		if known, err = v.known(ctx, all); err != nil {
			return nil, nil, fmt.Errorf("look for known vectors: %w", err)
		}
	}
	var ask []index.Key
	for _, k := range all { // in their order, so that runs are alike
		if known[k] == nil {
			ask = append(ask, k)
		} else if v.Dims == 0 {
			v.Dims = len(known[k])
		}
	}
	for len(ask) > 0 {
		part := ask[:min(EmbedAhead, len(ask))]
		ask = ask[len(part):]
		if err := v.ask(ctx, part, texts, known); err != nil {
			return nil, nil, fmt.Errorf("embed chunks: %w", err)
		}
		v.Told(len(ask))
	}
	vectors := make([][]float32, 0, len(keys))
	for _, p := range list {
		if p.Cut.Vectors != nil {
			vectors = append(vectors, p.Cut.Vectors...)
			continue
		}
		for range p.Cut.Texts {
			vectors = append(vectors, known[keys[len(vectors)]])
		}
	}
	return vectors, keys, nil
}

// known gives the vectors that are at hand.
func (v *Vectors) known(ctx context.Context, keys []index.Key) (map[index.Key][]float32, error) {
	own := map[index.Key][]float32{}
	var others []index.Key
	for _, k := range keys {
		if vector := v.latest[k]; vector != nil {
			own[k] = vector
		} else {
			others = append(others, k)
		}
	}
	if len(others) == 0 {
		return own, nil
	}
	known, err := v.Known(ctx, others)
	maps.Copy(own, known)
	return own, err
}

func (v *Vectors) ask(ctx context.Context, keys []index.Key, texts map[index.Key]string, into map[index.Key][]float32) error {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = texts[k]
	}
	if v.Embedder == nil {
		return errors.New("this run embeds nothing")
	}
	got, err := v.Embedder.EmbedDocuments(ctx, list)
	if err != nil {
		return &index.EmbedderError{Err: err}
	}
	if err := index.UnitVectors(got, len(keys), v.Dims); err != nil {
		return err
	}
	v.Dims = len(got[0])
	if len(v.latest) > mostLatest || v.latest == nil {
		v.latest = map[index.Key][]float32{}
	}
	for i, k := range keys {
		into[k], v.latest[k] = got[i], got[i]
	}
	return nil
}

// SpaceOf asks an embedder for its space, or for what is known of it where
// nothing may be asked.
func SpaceOf(ctx context.Context, e index.Embedder, offline bool) (string, error) {
	if known, ok := e.(index.SpaceKnower); ok && offline {
		return known.KnownSpace(), nil
	}
	return e.Space(ctx)
}

// CheckSpace refuses to mix vectors of two spaces; copied says that they do not
// come from an embedder.
func CheckSpace(collection, holds, given string, copied bool) error {
	if index.SameSpace(holds, given) {
		return nil
	}
	if copied {
		return fmt.Errorf("collection %q: %w: it holds %s, what is copied is of %s: copy into another --as", collection, index.ErrSpace, holds, given)
	}
	return fmt.Errorf("collection %q: %w: it holds %s, embedding.* now gives %s: set embedding.* back, index --reembed, or index into another --collection",
		collection, index.ErrSpace, holds, given)
}

package opensearch

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"github.com/ragproxy/ragproxy/index"
)

// answers are those of a _msearch, in the order of its searches.
type answers struct {
	Responses []response `json:"responses"`
	at        int
}

func (a *answers) next() response {
	if a.at >= len(a.Responses) {
		return response{Error: &errorBody{Reason: "fewer answers than searches"}, Status: 500}
	}
	a.at++
	return a.Responses[a.at-1]
}

// response is that of one search.
type response struct {
	TimedOut bool       `json:"timed_out"`
	Status   int        `json:"status"`
	Error    *errorBody `json:"error"`
	Hits     struct {
		Total int   `json:"total"`
		Hits  []hit `json:"hits"`
	} `json:"hits"`
	Counts struct { // of counting
		Chunks struct {
			Buckets []struct {
				Count int `json:"doc_count"`
			} `json:"buckets"`
		} `json:"chunks"`
	} `json:"aggregations"`
}

type hit struct {
	ID     string          `json:"_id"`
	Score  float64         `json:"_score"`
	SeqNo  int64           `json:"_seq_no"`
	Term   int64           `json:"_primary_term"`
	Source json.RawMessage `json:"_source"`
	Fields fields          `json:"fields"`
	Sort   []any           `json:"sort"`
}

// fields are doc values.
type fields struct {
	Kind    []string   `json:"kind"`
	ID      []string   `json:"id"`
	Doc     []string   `json:"doc"`
	Key     []string   `json:"key"`
	Hash    []string   `json:"hash"`
	Src     []string   `json:"src"`
	Facts   []string   `json:"facts"`
	Born    []int      `json:"born"`
	Chunks  []int      `json:"chunks"`
	Ordinal []int      `json:"ordinal"`
	Raw     []rawBytes `json:"raw"`
}

// rawBytes is a doc value of bytes, which comes in base64, with padding or
// without. As there may be hundreds of them in an answer, and all that is said in
// base64 can stand in JSON as it is, it is read from the JSON itself.
type rawBytes []byte

func (b *rawBytes) UnmarshalJSON(p []byte) error {
	text := bytes.TrimRight(bytes.Trim(p, `"`), "=")
	*b = make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	_, err := base64.RawStdEncoding.Decode(*b, text)
	return err
}

// first gives the zero value where there is none.
func first[T any](list []T) (v T) {
	if len(list) > 0 {
		v = list[0]
	}
	return v
}

func (h *hit) record() (r record, err error) {
	if err := json.Unmarshal(h.Source, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", h.ID, err)
	}
	return r, nil
}

func (r *response) error() error {
	switch {
	case r.Error != nil:
		return r.Error.error(r.Status)
	case r.TimedOut:
		return &serverError{Status: 503, Reason: "it took too long"}
	}
	return nil
}

func (r *response) state() (s state, found bool, err error) {
	if len(r.Hits.Hits) == 0 {
		return s, false, nil
	}
	return s, true, json.Unmarshal(r.Hits.Hits[0].Source, &s)
}

// legAnswer is a leg as it was answered, with the vectors of its hits where they
// were asked for.
type legAnswer struct {
	index.Leg
	raw   [][]byte
	moved error // the index is not there any more
}

// leg reads hits, whose rest is read where they are kept; score gives our score
// of the server's.
func (r response) leg(score func(float64) float64, rest *rest) (out legAnswer) {
	if err := r.error(); err != nil {
		if hasType(err, noIndex) {
			out.moved = errMoved
		}
		if !isServers(err) {
			err = fmt.Errorf("%w: %w", index.ErrOpen, err)
		}
		out.Err = err
		return out
	}
	for _, h := range r.Hits.Hits {
		c := chunkOf(first(h.Fields.ID), first(h.Fields.Ordinal))
		out.Hits = append(out.Hits, index.LateHit(c, score(h.Score), rest, rest.add(h.Fields)))
		out.raw = append(out.raw, first(h.Fields.Raw))
	}
	return out
}

// compared gives the leg's hits with the cosines of their vectors to a query's.
func (l legAnswer) compared(vector []float32) []index.Hit {
	out := make([]index.Hit, 0, len(l.Hits))
	for i, h := range l.Hits {
		if len(l.raw[i]) == 4*len(vector) {
			h.Score = dot(vector, l.raw[i])
			out = append(out, h)
		}
	}
	return out
}

// dot is the inner product with a vector of little-endian bytes.
func dot(v []float32, raw []byte) float64 {
	sum := 0.0
	for i, x := range v {
		sum += float64(x) * float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
	}
	return sum
}

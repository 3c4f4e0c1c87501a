package minilm

import (
	"math"

	"github.com/ragproxy/ragproxy/internal/simd"
)

// blockQueries is how many queries are scored at a time: their scores (24 KiB
// for the longest text) stay in the core's first cache.
const blockQueries = 24

// lane is what one goroutine needs for itself in a forward pass.
type lane struct {
	set           simd.Set
	widened       []float32
	queryKeyValue []float32 // tokens x 3*headDims: those of one head
	keys          []float32 // headDims x tokens, in panels of 32 tokens
	values        []float32 // tokens x headDims
	scores        []float32 // blockQueries x tokens
}

func newLane(set simd.Set) *lane {
	return &lane{
		set:           set,
		widened:       simd.Floats(simd.WidenedLen),
		queryKeyValue: simd.Floats(maxTokens * 3 * headDims),
		keys:          simd.Floats(maxTokens * headDims),
		values:        simd.Floats(maxTokens * headDims),
		scores:        simd.Floats(blockQueries * maxTokens),
	}
}

// attend writes the columns of one head to joined, for texts that lie one after
// another in the rows of hidden.
func (on *lane) attend(l *layer, joined, hidden simd.Mat, texts [][]int32, head int) {
	qkv := simd.Dense(on.queryKeyValue[:hidden.Rows*3*headDims], 3*headDims)
	for part := range 3 {
		l.queryKeyValue.set(on, qkv.Slice(part*headDims, headDims), hidden, head*3+part)
	}
	joined, first := joined.Slice(head*headDims, headDims), 0
	for _, ids := range texts {
		next := first + len(ids)
		on.attendText(rows(joined, first, next), rows(qkv, first, next))
		first = next
	}
}

// attendText sets each row of out to the mean of all values, weighted by
// softmax(query . key / sqrt(headDims)).
func (on *lane) attendText(out, queryKeyValue simd.Mat) {
	tokens := out.Rows
	for t := range tokens {
		row := queryKeyValue.Data[t*3*headDims:][:3*headDims]
		copy(on.values[t*headDims:(t+1)*headDims], row[2*headDims:])
		panel := on.keys[t/simd.Width*simd.Width*headDims+t%simd.Width:]
		for d, k := range row[headDims : 2*headDims] {
			panel[d*simd.Width] = k
		}
	}
	for first := 0; first < tokens; first += blockQueries {
		next := min(first+blockQueries, tokens)
		queries := rows(queryKeyValue, first, next).Slice(0, headDims)
		on.attendBlock(rows(out, first, next), queries, tokens)
	}
}

// attendBlock does it for some of the queries.
func (on *lane) attendBlock(out, queries simd.Mat, tokens int) {
	panels := (tokens + simd.Width - 1) / simd.Width
	width := panels * simd.Width
	scores := simd.Dense(on.scores[:queries.Rows*width], width)
	clear(scores.Data)
	for panel := range panels {
		keys := on.keys[panel*simd.Width*headDims:][:simd.Width*headDims]
		on.set.MulAdd(scores.Slice(panel*simd.Width, simd.Width), queries, keys)
	}
	for q := range queries.Rows {
		row := scores.Data[q*width:][:width]
		for i := tokens; i < width; i++ {
			row[i] = float32(math.Inf(-1))
		}
		on.set.Softmax(row, float32(1/math.Sqrt(headDims)))
		clear(out.Data[q*out.Stride:][:headDims])
	}
	on.set.MulAdd(out, scores.Slice(0, tokens), on.values[:tokens*headDims])
}

// rows returns the rows of m from first up to next.
func rows(m simd.Mat, first, next int) simd.Mat {
	m.Data, m.Rows = m.Data[first*m.Stride:], next-first
	return m
}

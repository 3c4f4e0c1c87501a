package embed

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
)

// answerFault is an answer that arrived and is wrong; asking again would not
// help.
type answerFault struct{ text string }

func (e *answerFault) Error() string { return "the answer " + e.text }

func answerError(format string, args ...any) error {
	return &answerFault{fmt.Sprintf(format, args...)}
}

// readAnswer reads a body of at most 256 KiB a text, enough for 8,192
// dimensions in full digits, beside 1 MiB.
func readAnswer(body io.Reader, texts int) ([]byte, error) {
	limit := int64(1<<20) + int64(texts)<<18
	raw, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if int64(len(raw)) > limit {
		return nil, answerError("is longer than %d bytes", limit)
	}
	return raw, nil
}

// item is one element of "data" in a CreateEmbeddingResponse (OpenAI API
// reference, Create embeddings).
type item struct {
	Index     *int            `json:"index"`
	Embedding json.RawMessage `json:"embedding"`
}

// decodeAnswer returns the vectors in the order of the texts that were sent, n
// of them, all finite and of one length.
func decodeAnswer(body []byte, n int) ([][]float32, error) {
	var answer struct {
		Data  []item          `json:"data"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, answerError("is no embeddings JSON: %v", err)
	}
	if len(answer.Data) == 0 && len(answer.Error) > 0 { // some gateways fail with a 200
		_, message := errorBody(body)
		return nil, answerError("is an error: %s", message)
	}
	if len(answer.Data) != n {
		return nil, answerError("has %d vectors for %d texts", len(answer.Data), n)
	}
	order, err := positions(answer.Data)
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, n)
	for i, it := range answer.Data {
		at := order[i]
		if vectors[at], err = decodeVector(it.Embedding); err != nil {
			return nil, err
		}
		if got, want := len(vectors[at]), len(vectors[order[0]]); got != want {
			return nil, answerError("mixes vectors of %d and %d dimensions", want, got)
		}
	}
	return vectors, nil
}

// positions says which text each item is for. Without any index the order of
// the list counts; one missing among others is 0, which some encoders leave
// out (Protocol Buffers' JSON).
func positions(data []item) ([]int, error) {
	order := make([]int, len(data))
	seen := make([]bool, len(data))
	anyIndex := false
	for _, it := range data {
		anyIndex = anyIndex || it.Index != nil
	}
	for i, it := range data {
		switch {
		case !anyIndex:
			order[i] = i
		case it.Index != nil:
			order[i] = *it.Index
		}
		at := order[i]
		if at < 0 || at >= len(data) {
			return nil, answerError("has index %d for %d texts", at, len(data))
		}
		if seen[at] {
			return nil, answerError("has index %d twice", at)
		}
		seen[at] = true
	}
	return order, nil
}

// decodeVector reads a list of numbers, or base64 of little-endian float32.
func decodeVector(raw json.RawMessage) ([]float32, error) {
	var vector []float32
	var err error
	if len(raw) > 0 && raw[0] == '"' {
		vector, err = decodeBase64(raw)
	} else {
		vector, err = decodeList(raw)
	}
	if err != nil {
		return nil, err
	}
	if len(vector) == 0 {
		return nil, answerError("has an empty vector")
	}
	for _, x := range vector {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, answerError("has a vector that is not finite")
		}
	}
	return vector, nil
}

func decodeBase64(raw json.RawMessage) ([]float32, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, answerError("has a vector that is no text: %v", err)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b)%4 != 0 {
		return nil, answerError("has a vector that is no base64 of float32")
	}
	vector := make([]float32, len(b)/4)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return vector, nil
}

// decodeList splits by hand, because encoding/json reads null among numbers as
// 0. raw is valid JSON, so that what ParseFloat takes is a number.
func decodeList(raw json.RawMessage) ([]float32, error) {
	inner, ok := bytes.CutPrefix(bytes.TrimSpace(raw), []byte("["))
	inner, ok2 := bytes.CutSuffix(inner, []byte("]"))
	if !ok || !ok2 {
		return nil, answerError("has something else than a vector: %.20q", raw)
	}
	if len(bytes.TrimSpace(inner)) == 0 {
		return nil, nil
	}
	vector := make([]float32, 0, bytes.Count(inner, []byte(","))+1)
	for part := range bytes.SplitSeq(inner, []byte(",")) {
		x, err := strconv.ParseFloat(string(bytes.TrimSpace(part)), 32)
		if err != nil {
			return nil, answerError("has a vector with something else than a finite number: %.20q", part)
		}
		vector = append(vector, float32(x))
	}
	return vector, nil
}

package dialect

import "github.com/ragproxy/ragproxy/retrieval"

// The members of "rag", in the order in which they are written.

type rewriteDeltaJSON struct {
	Type  string `json:"type"`
	Seq   int    `json:"seq"`
	Delta string `json:"delta"`
}

type rewriteDoneJSON struct {
	Type     string `json:"type"`
	Seq      int    `json:"seq"`
	Query    string `json:"query"`
	Original string `json:"original"`
	Model    string `json:"model"`
	MS       int64  `json:"ms"`
}

type rewriteFailedJSON struct {
	Type  string    `json:"type"`
	Seq   int       `json:"seq"`
	Error errorJSON `json:"error"`
	Query string    `json:"query"`
}

type retrievalStartedJSON struct {
	Type       string `json:"type"`
	Seq        int    `json:"seq"`
	Query      string `json:"query"`
	TopK       int    `json:"top_k"`
	Collection string `json:"collection"`
}

type retrievalFailedJSON struct {
	Type     string    `json:"type"`
	Seq      int       `json:"seq"`
	Leg      string    `json:"leg"`
	Error    errorJSON `json:"error"`
	Fallback *string   `json:"fallback"`
}

type retrievalDoneJSON struct {
	Type     string       `json:"type"`
	Seq      int          `json:"seq"`
	Query    string       `json:"query"`
	MS       int64        `json:"ms"`
	Degraded []string     `json:"degraded"`
	Sources  []sourceJSON `json:"sources"`
}

type summaryJSON struct {
	Type     string       `json:"type"`
	Seq      int          `json:"seq"`
	Query    string       `json:"query"`
	Original string       `json:"original"`
	Sources  []sourceJSON `json:"sources"`
	Degraded []string     `json:"degraded"`

	Flagged []flaggedLinkJSON `json:"flagged,omitempty"`
}

type bodyJSON struct {
	Query    string       `json:"query"`
	Original string       `json:"original"`
	Sources  []sourceJSON `json:"sources"`
	Degraded []string     `json:"degraded"`
	MS       int64        `json:"ms"`

	Flagged []flaggedLinkJSON `json:"flagged,omitempty"`
}

type usageJSON struct {
	Rewrite *retrieval.Usage `json:"rewrite"`
}

type errorJSON struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// eventJSON gives an event its form; retrieval.done, whose texts may have to
// be cut, is made where it is sent.
func eventJSON(seq int, ev retrieval.Event) any {
	switch ev := ev.(type) {
	case retrieval.RewriteDelta:
		return rewriteDeltaJSON{ev.Name(), seq, ev.Delta}
	case retrieval.RewriteDone:
		return rewriteDoneJSON{ev.Name(), seq, ev.Query, ev.Original, ev.Model, ev.Took.Milliseconds()}
	case retrieval.RewriteFailed:
		return rewriteFailedJSON{ev.Name(), seq, errorJSON{ev.Err.Code, ev.Err.Message}, ev.Query}
	case retrieval.RetrievalStarted:
		return retrievalStartedJSON{ev.Name(), seq, ev.Query, ev.TopK, ev.Collection}
	case retrieval.RetrievalFailed:
		f := retrievalFailedJSON{ev.Name(), seq, ev.Leg, errorJSON{ev.Err.Code, ev.Err.Message}, nil}
		if ev.Fallback != "" {
			f.Fallback = &ev.Fallback
		}
		return f
	default:
		return nil
	}
}

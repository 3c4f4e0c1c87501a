package dialect

import (
	"slices"
	"strings"
)

// Selection is the set of events, by name, that a client gets.
type Selection map[string]bool

// The names beside those of retrieval's events.
const (
	EventSummary     = "summary"
	EventAnnotations = "annotations"
)

var (
	eventNames = []string{
		"rewrite.delta", "rewrite.done", "rewrite.failed",
		"retrieval.started", "retrieval.failed", "retrieval.done",
		EventFlagged, EventSummary, EventAnnotations,
	}
	defaultEvents = []string{"rewrite.done", "rewrite.failed", "retrieval.failed", "retrieval.done", EventFlagged, EventSummary, EventAnnotations}
)

// Filter is what a client asks of the events, in the words of wire and of
// LangChain's astream_events: an event's name, its type (the name up to the
// dot), its tags.
type Filter struct {
	Events []string // names or types; nil for the default set
	All    bool     // every event
	None   bool     // no extras at all

	IncludeTypes, IncludeNames, IncludeTags []string
	ExcludeTypes, ExcludeNames, ExcludeTags []string
}

// KnownEvent says whether a word names an event or a type of events.
func KnownEvent(word string) bool {
	return slices.ContainsFunc(eventNames, func(n string) bool { return n == word || typeOf(n) == word })
}

// Select gives the events that pass: any include lets an event in, chosen
// from all events unless Events narrows them, then any exclude takes it out.
func (f Filter) Select() Selection {
	if f.None {
		return Selection{}
	}
	includes := len(f.IncludeTypes)+len(f.IncludeNames)+len(f.IncludeTags) > 0
	base := defaultEvents
	switch {
	case f.Events != nil:
		base = slices.DeleteFunc(slices.Clone(eventNames), func(n string) bool {
			return !slices.Contains(f.Events, n) && !slices.Contains(f.Events, typeOf(n))
		})
	case f.All || includes:
		base = eventNames
	}
	out := Selection{}
	for _, n := range base {
		in := !includes || hits(n, f.IncludeTypes, f.IncludeNames, f.IncludeTags)
		if in && !hits(n, f.ExcludeTypes, f.ExcludeNames, f.ExcludeTags) {
			out[n] = true
		}
	}
	if out["retrieval.started"] && !hits("retrieval.done", f.ExcludeTypes, f.ExcludeNames, f.ExcludeTags) {
		out["retrieval.done"] = true // a start that never ends would leave a client waiting
	}
	return out
}

func hits(name string, types, names, tags []string) bool {
	return slices.Contains(types, typeOf(name)) || slices.Contains(names, name) || slices.Contains(tags, tagOf(name))
}

func typeOf(name string) string {
	t, _, _ := strings.Cut(name, ".")
	return t
}

// tagOf gives the tag that the origin's chains carry.
func tagOf(name string) string {
	switch typeOf(name) {
	case "rewrite":
		return "contextualize_q_llm"
	case "retrieval":
		return "retriever"
	case "guard":
		return "guard"
	default:
		return ""
	}
}

// Live says whether the selection holds an event that is worth nothing later.
func (s Selection) Live() bool { return s["rewrite.delta"] || s["retrieval.started"] }

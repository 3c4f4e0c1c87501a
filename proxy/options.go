package proxy

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy/dialect"
	"github.com/ragproxy/ragproxy/retrieval"
)

// ragOptions are one request's choices. A nil or empty field means that the
// client did not say.
type ragOptions struct {
	enabled    *bool
	collection string
	topK       int
	rewrite    string
	dialect    string
	filter     dialect.Filter
	eventsSet  bool
	text       string
	placement  string
	live       *bool
	markdown   *bool
	reasoning  *bool
	filters    map[string]any
}

// maxTopK bounds the passages that one request may ask for.
const maxTopK = 100

// parseRag reads the body's member "rag". A member that this build does not
// know, or a bad value, is a 400 that names it.
func parseRag(rag gjson.Result) (ragOptions, error) {
	var o ragOptions
	if !rag.Exists() || rag.Type == gjson.Null {
		return o, nil
	}
	if !rag.IsObject() {
		return o, badRequest("invalid_rag_option", "rag", "rag is not an object")
	}
	var err error
	rag.ForEach(func(key, value gjson.Result) bool {
		err = o.set(key.String(), value)
		return err == nil
	})
	return o, err
}

func (o *ragOptions) set(name string, v gjson.Result) error {
	param := "rag." + name
	switch name {
	case "enabled":
		return setBool(param, v, &o.enabled)
	case "live":
		return setBool(param, v, &o.live)
	case "markdown":
		return setBool(param, v, &o.markdown)
	case "reasoning":
		return setBool(param, v, &o.reasoning)
	case "collection":
		return setString(param, v, &o.collection, nil)
	case "rewrite":
		return setString(param, v, &o.rewrite, []string{retrieval.RewriteAuto, retrieval.RewriteAlways, retrieval.RewriteNever})
	case "dialect":
		return setString(param, v, &o.dialect, dialect.Names())
	case "text":
		return setString(param, v, &o.text, []string{dialect.TextFull, dialect.TextSnippet, dialect.TextNone})
	case "placement":
		return setString(param, v, &o.placement, []string{PlacementSystem, PlacementUser})
	case "top_k":
		if v.Type != gjson.Number || v.Num != float64(int(v.Num)) || v.Num < 1 || v.Num > maxTopK {
			return invalidOption(param, "a whole number from 1 to "+strconv.Itoa(maxTopK))
		}
		o.topK = int(v.Num)
		return nil
	case "filters":
		return setFilters(param, v, &o.filters)
	case "events":
		return o.setEvents(param, v)
	case "include_types":
		return setStrings(param, v, &o.filter.IncludeTypes)
	case "include_names":
		return setStrings(param, v, &o.filter.IncludeNames)
	case "include_tags":
		return setStrings(param, v, &o.filter.IncludeTags)
	case "exclude_types":
		return setStrings(param, v, &o.filter.ExcludeTypes)
	case "exclude_names":
		return setStrings(param, v, &o.filter.ExcludeNames)
	case "exclude_tags":
		return setStrings(param, v, &o.filter.ExcludeTags)
	default:
		return badRequest("unknown_rag_option", param, "this build does not know the option "+param)
	}
}

func (o *ragOptions) setEvents(param string, v gjson.Result) error {
	o.eventsSet = true
	switch {
	case v.Type == gjson.False:
		o.filter.None = true
		return nil
	case v.Type == gjson.String && v.Str == "all":
		o.filter.All = true
		return nil
	case v.IsArray():
		var words []string
		if err := setStrings(param, v, &words); err != nil {
			return err
		}
		return o.filterEvents(param, words)
	}
	return invalidOption(param, `a list of event types or names, "all" or false`)
}

func (o *ragOptions) filterEvents(param string, words []string) error {
	o.filter.Events = []string{} // an empty list asks for no events
	for _, w := range words {
		if !dialect.KnownEvent(w) {
			return invalidOption(param, "rewrite, retrieval, guard, summary, annotations, or an event's name; "+strconv.Quote(w)+" is none")
		}
		o.filter.Events = append(o.filter.Events, w)
	}
	return nil
}

// withHeaders fills in what the headers say and the body does not: for
// clients that cannot add members to the body.
func (o *ragOptions) withHeaders(h http.Header) error {
	if v := h.Get("X-RAG-Enabled"); v != "" && o.enabled == nil {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return invalidOption("X-RAG-Enabled", "true or false")
		}
		o.enabled = &b
	}
	if o.collection == "" {
		o.collection = h.Get("X-RAG-Collection")
	}
	if v := h.Get("X-RAG-Dialect"); v != "" && o.dialect == "" {
		if _, ok := dialect.Lookup(v); !ok {
			return invalidOption("X-RAG-Dialect", "one of "+strings.Join(dialect.Names(), ", "))
		}
		o.dialect = v
	}
	if v := h.Get("X-RAG-Top-K"); v != "" && o.topK == 0 {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxTopK {
			return invalidOption("X-RAG-Top-K", "a whole number from 1 to "+strconv.Itoa(maxTopK))
		}
		o.topK = n
	}
	if v := h.Get("X-RAG-Events"); v != "" && !o.eventsSet {
		return o.eventsHeader(v)
	}
	return nil
}

// withAlias fills in what neither body nor headers say and the alias does.
func (o *ragOptions) withAlias(a Alias) {
	if o.enabled == nil {
		o.enabled = a.Enabled
	}
	if o.collection == "" {
		o.collection = a.Collection
	}
	if o.dialect == "" {
		o.dialect = a.Dialect
	}
	if o.topK == 0 {
		o.topK = a.TopK
	}
	if o.rewrite == "" {
		o.rewrite = a.Rewrite
	}
	if o.markdown == nil {
		o.markdown = a.Markdown
	}
	if o.reasoning == nil {
		o.reasoning = a.Reasoning
	}
	if !o.eventsSet && a.Events != nil {
		o.setFilter(*a.Events)
	}
}

// withDefaults fills in the server's own settings.
func (o *ragOptions) withDefaults(s Options) {
	if o.dialect == "" {
		o.dialect = s.Dialect
	}
	if o.placement == "" {
		o.placement = s.Placement
	}
	if o.text == "" {
		o.text = dialect.TextFull
	}
	if o.markdown == nil {
		o.markdown = &s.Switches.Markdown
	}
	if o.reasoning == nil {
		o.reasoning = &s.Switches.Reasoning
	}
	if !o.eventsSet {
		o.setFilter(s.Events)
	}
}

// setFilter takes a filter's choice of events; the includes and excludes are
// the client's alone.
func (o *ragOptions) setFilter(f dialect.Filter) {
	o.eventsSet = true
	o.filter.Events, o.filter.All, o.filter.None = f.Events, f.All, f.None
}

func (o *ragOptions) eventsHeader(v string) error {
	o.eventsSet = true
	switch v {
	case "all":
		o.filter.All = true
		return nil
	case "false":
		o.filter.None = true
		return nil
	}
	words := strings.Split(v, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return o.filterEvents("X-RAG-Events", words)
}

func invalidOption(param, want string) *Error {
	return badRequest("invalid_rag_option", param, param+" must be "+want)
}

func setBool(param string, v gjson.Result, to **bool) error {
	if !v.IsBool() {
		return invalidOption(param, "true or false")
	}
	b := v.Bool()
	*to = &b
	return nil
}

func setString(param string, v gjson.Result, to *string, allowed []string) error {
	if v.Type != gjson.String || v.Str == "" {
		return invalidOption(param, "a string")
	}
	for _, a := range allowed {
		if a == v.Str {
			*to = v.Str
			return nil
		}
	}
	if allowed != nil {
		return invalidOption(param, "one of "+strings.Join(allowed, ", "))
	}
	*to = v.Str
	return nil
}

func setStrings(param string, v gjson.Result, to *[]string) error {
	if !v.IsArray() {
		return invalidOption(param, "a list of strings")
	}
	for _, x := range v.Array() {
		if x.Type != gjson.String {
			return invalidOption(param, "a list of strings")
		}
		*to = append(*to, x.Str)
	}
	return nil
}

// setFilters reads filters in either form that the index takes.
func setFilters(param string, v gjson.Result, to *map[string]any) error {
	if !v.IsObject() {
		return invalidOption(param, "an object of metadata keys and values")
	}
	dec := json.NewDecoder(strings.NewReader(v.Raw))
	dec.UseNumber()
	if err := dec.Decode(to); err != nil {
		return invalidOption(param, "an object of metadata keys and values")
	}
	return checkFilters(param, *to)
}

func checkFilters(param string, filters map[string]any) error {
	if err := index.CheckFilters(filters); err != nil {
		return badRequest("invalid_rag_option", param, param+" cannot be read: "+err.Error())
	}
	return nil
}

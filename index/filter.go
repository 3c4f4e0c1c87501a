package index

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// filter is a test of documents, made by parseFilters.
type filter interface {
	matches(d *docRecord) bool
	tree() Filter
}

const (
	// maxFilterDepth bounds how deep and, or may be nested.
	maxFilterDepth = 16
	// maxFilterParts bounds the comparisons, and the values of all lists.
	maxFilterParts = 4096
)

// CheckFilters says what is wrong with the filters of a [Query]; nil if
// nothing is. Two forms are taken, decoded from JSON (with or without
// [json.Number]):
//
// A map from keys to values keeps the documents that have, for each key, the
// value, or one of them if it is a list ([]any):
//
//	{"lang": ["en", "de"], "draft": false}
//
// The form of OpenAI's vector stores is a comparison or a compound of such;
// it is known by its "type" beside "key" or "filters":
//
//	{"type": "gte", "key": "year", "value": 2024}
//	{"type": "and", "filters": [{"type": "in", "key": "lang", "value": ["en"]}, ...]}
//
// with eq, ne, gt, gte, lt, lte, in, nin, and, or. Numbers compare by value,
// exactly, strings by their bytes; values of different kinds are not equal and
// neither is above the other. A document without the key passes ne and nin
// only. The keys "document_id", "url" and "title" are the document's own.
//
// (https://platform.openai.com/docs/api-reference/vector-stores/search)
func CheckFilters(filters map[string]any) error {
	_, err := parseFilters(filters)
	return err
}

// parseFilters gives nil if there are none.
func parseFilters(filters map[string]any) (filter, error) {
	if len(filters) == 0 {
		return nil, nil
	}
	p := filterParser{}
	if isOperator(filters) {
		return p.node("filters", filters, 1)
	}
	var all compound
	for _, name := range sortedKeys(filters) {
		values, ok := filters[name].([]any)
		if !ok {
			values = []any{filters[name]}
		}
		c, err := p.list(values)
		if err != nil {
			return nil, fmt.Errorf("read filter %s: %w", name, err)
		}
		all.parts = append(all.parts, oneOf{name, c, false})
	}
	return all, nil
}

// isOperator tells OpenAI's form from a map that filters by metadata called
// "type".
func isOperator(f map[string]any) bool {
	_, isText := f["type"].(string)
	_, hasKey := f["key"]
	_, hasFilters := f["filters"]
	return isText && (hasKey || hasFilters)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// filterParser counts what it has read.
type filterParser struct{ parts int }

// node reads a comparison or a compound; at names it in messages.
func (p *filterParser) node(at string, v any, depth int) (filter, error) {
	f, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: want an object with type, key and value, or with type and filters", at)
	}
	if depth > maxFilterDepth {
		return nil, fmt.Errorf("%s: nested more than %d deep", at, maxFilterDepth)
	}
	if p.parts++; p.parts > maxFilterParts {
		return nil, fmt.Errorf("%s: more than %d comparisons and values", at, maxFilterParts)
	}
	kind, ok := f["type"].(string)
	if !ok {
		return nil, fmt.Errorf("%s.type: want one of %s", at, filterTypes)
	}
	switch kind {
	case "and", "or":
		return p.compound(at, f, kind == "or", depth)
	case "eq", "ne", "gt", "gte", "lt", "lte", "in", "nin":
		return p.comparison(at, f, kind)
	}
	return nil, fmt.Errorf("%s.type: got %.40q, want one of %s", at, kind, filterTypes)
}

const filterTypes = "eq, ne, gt, gte, lt, lte, in, nin, and, or"

func only(at string, f map[string]any, names ...string) error {
	for _, name := range sortedKeys(f) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s: unknown member %.40q, want only %s", at, name, strings.Join(names, ", "))
		}
	}
	return nil
}

func (p *filterParser) compound(at string, f map[string]any, or bool, depth int) (filter, error) {
	if err := only(at, f, "type", "filters"); err != nil {
		return nil, err
	}
	list, ok := f["filters"].([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("%s.filters: want a list of at least one filter", at)
	}
	c := compound{or: or}
	for i, v := range list {
		part, err := p.node(fmt.Sprintf("%s.filters[%d]", at, i), v, depth+1)
		if err != nil {
			return nil, err
		}
		c.parts = append(c.parts, part)
	}
	return c, nil
}

func (p *filterParser) comparison(at string, f map[string]any, kind string) (filter, error) {
	if err := only(at, f, "type", "key", "value"); err != nil {
		return nil, err
	}
	name, ok := f["key"].(string)
	if !ok || name == "" {
		return nil, fmt.Errorf("%s.key: want the name of a metadata key", at)
	}
	v, ok := f["value"]
	if !ok {
		return nil, fmt.Errorf("%s.value: is missing", at)
	}
	values, isList := v.([]any)
	switch kind {
	case "in", "nin":
		if !isList {
			return nil, fmt.Errorf("%s.value: %s wants a list", at, kind)
		}
	default:
		if isList {
			return nil, fmt.Errorf("%s.value: %s wants one value, not a list: use in or nin", at, kind)
		}
		values = []any{v}
	}
	parsed, err := p.list(values)
	if err != nil {
		return nil, fmt.Errorf("%s.value: %w", at, err)
	}
	switch kind {
	case "eq", "in":
		return oneOf{name, parsed, false}, nil
	case "ne", "nin":
		return oneOf{name, parsed, true}, nil
	}
	if parsed[0].number == nil && !parsed[0].isText {
		return nil, fmt.Errorf("%s.value: %s wants a number or a string", at, kind)
	}
	return order{name, parsed[0], kind}, nil
}

func (p *filterParser) list(values []any) ([]value, error) {
	if p.parts += len(values); p.parts > maxFilterParts {
		return nil, fmt.Errorf("more than %d comparisons and values", maxFilterParts)
	}
	out := make([]value, len(values))
	for i, v := range values {
		var err error
		if out[i], err = toValue(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

type compound struct {
	or    bool
	parts []filter
}

func (c compound) matches(d *docRecord) bool {
	for _, p := range c.parts {
		if p.matches(d) == c.or {
			return c.or
		}
	}
	return !c.or
}

// oneOf is eq and in, or their opposites.
type oneOf struct {
	key    string
	values []value
	not    bool
}

func (o oneOf) matches(d *docRecord) bool {
	got, ok := d.field(o.key)
	return o.not != (ok && slices.ContainsFunc(o.values, got.equals))
}

type order struct {
	key  string
	than value
	kind string
}

func (o order) matches(d *docRecord) bool {
	got, ok := d.field(o.key)
	if !ok {
		return false
	}
	c, ok := got.compare(o.than)
	if !ok {
		return false
	}
	switch o.kind {
	case "gt":
		return c > 0
	case "gte":
		return c >= 0
	case "lt":
		return c < 0
	}
	return c <= 0
}

// field is a metadata value; false if the document has none.
func (d *docRecord) field(name string) (value, bool) {
	switch name {
	case "document_id":
		return value{text: d.ID, isText: true}, true
	case "url":
		return value{text: d.URL, isText: true}, true
	case "title":
		return value{text: d.Title, isText: true}, true
	}
	v, ok := d.Meta[name]
	if !ok {
		return value{}, false
	}
	got, err := toValue(v)
	return got, err == nil // it was read from JSON, so it can be written
}

// value is a JSON value that is compared: a string, a number, or anything else
// by its JSON.
type value struct {
	number *big.Float
	isText bool
	text   string
}

func toValue(v any) (value, error) {
	if s, ok := v.(string); ok {
		return value{text: s, isText: true}, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return value{}, err
	}
	if c := b[0]; c == '-' || c >= '0' && c <= '9' {
		return value{number: number(b), text: string(b)}, nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, b); err != nil {
		return value{}, err
	}
	return value{text: compact.String()}, nil
}

// number is exact for whole numbers of some 75 digits; nil for what is beyond
// a float's exponent, which then equals itself only.
func number(b []byte) *big.Float {
	if len(b) > 400 {
		return nil
	}
	f, _, err := big.ParseFloat(string(b), 10, 256, big.ToNearestEven)
	if err != nil || f.IsInf() {
		return nil
	}
	return f
}

func (v value) equals(w value) bool {
	if v.number != nil && w.number != nil {
		return v.number.Cmp(w.number) == 0
	}
	return v.number == nil && w.number == nil && v.isText == w.isText && v.text == w.text
}

// compare gives -1, 0 or 1, and false for values of different kinds.
func (v value) compare(w value) (int, bool) {
	switch {
	case v.number != nil && w.number != nil:
		return v.number.Cmp(w.number), true
	case v.isText && w.isText:
		return strings.Compare(v.text, w.text), true
	}
	return 0, false
}

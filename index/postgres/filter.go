package postgres

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// statement gathers SQL and its arguments.
type statement struct {
	strings.Builder
	args []any
}

// arg adds an argument and returns its name.
func (s *statement) arg(v any) string {
	s.args = append(s.args, v)
	return fmt.Sprintf("$%d", len(s.args))
}

// condition is a filter as SQL over a document d; "true" for none. It never is
// NULL, so that NOT means what it says.
func (s *statement) condition(f *index.Filter) string {
	if f == nil {
		return "true"
	}
	switch f.Op {
	case "and", "or":
		parts := make([]string, len(f.Parts))
		for i := range f.Parts {
			parts[i] = s.condition(&f.Parts[i])
		}
		return "(" + strings.Join(parts, " "+strings.ToUpper(f.Op)+" ") + ")"
	case "in", "nin":
		values := make([]string, len(f.Values))
		for i, v := range f.Values {
			values[i] = valueJSON(v)
		}
		is := fmt.Sprintf("coalesce(%s = ANY(%s::text[]::jsonb[]), false)", s.field(f.Key), s.arg(values))
		if f.Op == "nin" {
			return "(NOT " + is + ")"
		}
		return is
	}
	return s.order(f)
}

// order compares numbers with numbers, and strings with strings by bytes.
func (s *statement) order(f *index.Filter) string {
	op := map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[f.Op]
	field, v := s.field(f.Key), f.Values[0]
	if v.Number {
		return fmt.Sprintf("(CASE WHEN jsonb_typeof(%s) = 'number' THEN (%[1]s)::numeric %s %s::text::numeric ELSE false END)", field, op, s.arg(v.Text))
	}
	return fmt.Sprintf("(CASE WHEN jsonb_typeof(%s) = 'string' THEN (%[1]s #>> '{}') COLLATE \"C\" %s %s::text ELSE false END)", field, op, s.arg(plain(v.Text)))
}

func (s *statement) field(key string) string {
	switch key {
	case "document_id":
		return "to_jsonb(d.id)"
	case "url":
		return "to_jsonb(d.url)"
	case "title":
		return "to_jsonb(d.title)"
	}
	return "(d.meta -> " + s.arg(plain(key)) + "::text)"
}

func valueJSON(v index.FilterValue) string {
	if !v.IsText {
		return plainJSON([]byte(v.Text))
	}
	b, err := json.Marshal(plain(v.Text))
	if err != nil { // a string always can
		return `""`
	}
	return string(b)
}

// plainJSON is JSON as jsonb takes it: without the character 0, escaped.
func plainJSON(b []byte) string {
	if !strings.Contains(string(b), `\u0000`) {
		return string(b)
	}
	var out strings.Builder
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\' && strings.HasPrefix(string(b[i:min(i+6, len(b))]), `\u0000`):
			out.WriteString(`\ufffd`)
			i += 5
		case b[i] == '\\' && i+1 < len(b): // an escape of its own, "\\u0000" above all
			out.Write(b[i : i+2])
			i++
		default:
			out.WriteByte(b[i])
		}
	}
	return out.String()
}

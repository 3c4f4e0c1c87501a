package access

import (
	"maps"
	"slices"
)

// Both is the filters under which both a and b hold, in a form that
// index.CheckFilters takes; empty ones hold for everything.
func Both(a, b map[string]any) map[string]any {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	return and(append(nested(a), nested(b)...))
}

func and(filters []any) map[string]any { return map[string]any{"type": "and", "filters": filters} }

// nested gives filters a form that can stand inside a compound: a map of keys
// and values cannot. It tells the forms apart as index.CheckFilters does, and
// a mistake would still be held to what stands beside it.
func nested(f map[string]any) []any {
	_, isText := f["type"].(string)
	_, hasKey := f["key"]
	_, hasFilters := f["filters"]
	if isText && (hasKey || hasFilters) {
		return []any{f}
	}
	var out []any
	for _, key := range slices.Sorted(maps.Keys(f)) {
		kind := "eq"
		if _, isList := f[key].([]any); isList {
			kind = "in"
		}
		out = append(out, map[string]any{"type": kind, "key": key, "value": f[key]})
	}
	return out
}

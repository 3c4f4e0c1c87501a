package config

import (
	"reflect"
	"strings"
)

const envPrefix = "RAGPROXY_"

// leaf is one key of the tree with the field it fills.
type leaf struct {
	key    string
	field  any    // pointer to the field
	secret string // how it is shown: "true" by its end, "url" without its password; "" as it is
}

// leaves lists the keys below the struct that ptr points to, in the order of
// their declaration. Fields without a `key` tag are not configuration.
func leaves(ptr any, prefix string) []leaf {
	var out []leaf
	v := reflect.ValueOf(ptr).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("key")
		if name == "" {
			continue
		}
		if prefix != "" {
			name = prefix + "." + name
		}
		at := v.Field(i).Addr().Interface()
		if field.Type.Kind() == reflect.Struct {
			out = append(out, leaves(at, name)...)
			continue
		}
		out = append(out, leaf{key: name, field: at, secret: field.Tag.Get("secret")})
	}
	return out
}

// envName is the variable of a key.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// nearest is the candidate with the fewest edits from s, "" if all are too far
// to be a slip of the fingers. A key's last part alone counts too: top_k means
// retrieval.top_k.
func nearest(s string, candidates []string) string {
	best, bestCost := "", 2+len(s)/4
	for _, c := range candidates {
		cost := edits(s, c)
		if _, last, ok := cutLast(c); ok && last == s {
			cost = 0
		}
		if cost < bestCost {
			best, bestCost = c, cost
		}
	}
	return best
}

func cutLast(key string) (before, last string, ok bool) {
	i := strings.LastIndexByte(key, '.')
	if i < 0 {
		return "", key, false
	}
	return key[:i], key[i+1:], true
}

// edits is the Levenshtein distance in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

package opensearch

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ragproxy/ragproxy/index"
)

// A fact is a key with a value of a document's metadata as one word that sorts
// as the values do: "4:lang" + kind + value. What is equal is the same word, and
// what is above another comes behind it, exactly, as for the index on disk.
const (
	kindNumber = "n"
	kindText   = "s"
	kindOther  = "o"
)

// longestFact is how many bytes of a value are compared, and of an id taken: a
// word of Lucene has at most 32,766 bytes.
const longestFact = 8000

// factStem begins the facts of a key and kind.
func factStem(key, kind string) string {
	if len(key) > longestFact {
		key = short(key)
	}
	return strconv.Itoa(len(key)) + ":" + key + kind
}

func fact(key string, v index.FilterValue) string {
	switch {
	case v.Number:
		return factStem(key, kindNumber) + sortableNumber(v.Text)
	case v.IsText:
		return factStem(key, kindText) + short(v.Text)
	}
	return factStem(key, kindOther) + short(v.Text)
}

// short is valid UTF-8. Texts that begin alike for too long are in no order, but
// still only equal themselves.
func short(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= longestFact {
		return text
	}
	at := longestFact
	for !utf8.RuneStart(text[at]) {
		at--
	}
	return fmt.Sprintf("%s\u0001%x", text[:at], sha256.Sum256([]byte(text)))
}

// sortableNumber writes a JSON number so that the order of the words is that of
// the numbers: sign, exponent, digits; of a negative one all of it turned around.
func sortableNumber(text string) string {
	text, negative := strings.CutPrefix(text, "-")
	mantissa, exp, _ := strings.Cut(strings.ToLower(text), "e")
	exponent, _ := strconv.Atoi(exp) // of JSON, and of one that a float can have
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent += len(whole) - (len(whole+fraction) - len(digits))
	digits = strings.TrimRight(digits, "0")
	const zero, half = "1", 5_000_000_000
	switch {
	case digits == "":
		return zero
	case !negative:
		return fmt.Sprintf("2%010d%s", half+exponent, digits)
	}
	turned := []byte(digits)
	for i, d := range turned {
		turned[i] = '0' + '9' - d
	}
	return fmt.Sprintf("0%010d%s~", half-exponent, turned) // behind any digit that it could go on with
}

// facts are those of a document, each once.
func facts(d index.Document) ([]string, error) {
	own := map[string]string{"document_id": d.ID, "url": d.URL, "title": d.Title}
	out := make([]string, 0, len(d.Meta)+len(own))
	for key, text := range own {
		out = append(out, fact(key, index.FilterValue{IsText: true, Text: text}))
	}
	for key, v := range d.Meta {
		if _, hidden := own[key]; hidden {
			continue
		}
		value, err := index.ToFilterValue(v)
		if err != nil {
			return nil, fmt.Errorf("metadata %q: %w", key, err)
		}
		out = append(out, fact(strings.ToValidUTF8(key, "\uFFFD"), value))
	}
	slices.Sort(out) // so that runs are alike
	return out, nil
}

// condition is a filter as a query; nil for none.
func condition(f *index.Filter) object {
	if f == nil {
		return nil
	}
	switch f.Op {
	case "and", "or":
		parts := make([]object, len(f.Parts))
		for i := range f.Parts {
			parts[i] = condition(&f.Parts[i])
		}
		if f.Op == "and" {
			return object{"bool": object{"filter": parts}}
		}
		return object{"bool": object{"should": parts, "minimum_should_match": 1}}
	case "in", "nin":
		values := make([]string, len(f.Values))
		for i, v := range f.Values {
			values[i] = fact(f.Key, v)
		}
		is := object{"terms": object{"facts": values}}
		if f.Op == "nin" {
			return object{"bool": object{"must_not": []object{is}}}
		}
		return is
	}
	return object{"range": object{"facts": factRange(f)}}
}

// factRange is the part of a key's facts, all of one kind, that a comparison
// takes.
func factRange(f *index.Filter) object {
	v := f.Values[0]
	stem := factStem(f.Key, kindText)
	if v.Number {
		stem = factStem(f.Key, kindNumber)
	}
	within := object{f.Op: fact(f.Key, v)}
	if f.Op == "gt" || f.Op == "gte" {
		within["lt"] = after(stem)
	} else {
		within["gte"] = stem
	}
	return within
}

// after is the first word behind all that begin with the stem, whose last byte
// is a letter.
func after(stem string) string {
	last := len(stem) - 1
	return stem[:last] + string(rune(stem[last]+1))
}

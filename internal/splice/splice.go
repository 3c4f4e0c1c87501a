// Package splice edits JSON as bytes: what is not edited stays as it is, to
// the letter. Positions come from gjson's Result.Index.
package splice

import (
	"bytes"
	"slices"

	"github.com/tidwall/gjson"
)

// Edits are changes to one byte slice, gathered first and made in one copy.
// They must not overlap; those at one place are made in the order given. The
// zero value is empty.
type Edits []edit

type edit struct {
	from, to int
	text     []byte
}

// Replace puts text in the place of src[from:to].
func (e *Edits) Replace(from, to int, text []byte) { *e = append(*e, edit{from, to, text}) }

// Insert puts text before src[at].
func (e *Edits) Insert(at int, text []byte) { e.Replace(at, at, text) }

// Apply returns src with the edits made. Without edits it is src itself.
func (e Edits) Apply(src []byte) []byte {
	if len(e) == 0 {
		return src
	}
	n := len(src)
	for _, x := range e {
		n += len(x.text)
	}
	return e.AppendTo(make([]byte, 0, n), src)
}

// AppendTo appends src with the edits made to dst, which must not overlap it.
func (e Edits) AppendTo(dst, src []byte) []byte {
	slices.SortStableFunc(e, func(a, b edit) int { return a.from - b.from })
	at := 0
	for _, x := range e {
		dst = append(dst, src[at:x.from]...)
		dst = append(dst, x.text...)
		at = x.to
	}
	return append(dst, src[at:]...)
}

// AddMember puts "key":value behind the last member of the object obj, which
// must be a value found in src.
func (e *Edits) AddMember(src []byte, obj gjson.Result, key string, value []byte) {
	e.addLast(src, obj, slices.Concat([]byte(`"`+key+`":`), value))
}

// AddElements puts elements, JSON values joined by commas, behind the last
// one of the array arr, which must be a value found in src.
func (e *Edits) AddElements(src []byte, arr gjson.Result, elements []byte) {
	e.addLast(src, arr, elements)
}

func (e *Edits) addLast(src []byte, container gjson.Result, text []byte) {
	end := container.Index + len(bytes.TrimRight([]byte(container.Raw), " \t\r\n")) - 1
	last := bytes.TrimRight(src[:end], " \t\r\n")
	if c := last[len(last)-1]; c != '{' && c != '[' {
		text = slices.Concat([]byte{','}, text)
	}
	e.Insert(end, text)
}

// RemoveMember takes out the member whose key and value are given, with the
// comma that parted it from its neighbour.
func (e *Edits) RemoveMember(src []byte, key, value gjson.Result) {
	from, to := key.Index, value.Index+len(value.Raw)
	if next := skipSpace(src, to); next < len(src) && src[next] == ',' {
		to = skipSpace(src, next+1)
	} else if before := bytes.TrimRight(src[:from], " \t\r\n"); len(before) > 0 && before[len(before)-1] == ',' {
		from = len(before) - 1
	}
	e.Replace(from, to, nil)
}

func skipSpace(src []byte, at int) int {
	for at < len(src) && (src[at] == ' ' || src[at] == '\t' || src[at] == '\r' || src[at] == '\n') {
		at++
	}
	return at
}

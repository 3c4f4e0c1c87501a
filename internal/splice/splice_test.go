package splice

import (
	"testing"

	"github.com/tidwall/gjson"
)

func find(src, key string) (k, v gjson.Result) {
	gjson.Parse(src).ForEach(func(kk, vv gjson.Result) bool {
		k, v = kk, vv
		return kk.Str != key
	})
	return k, v
}

func TestRemoveMember(t *testing.T) {
	tests := []struct{ src, want string }{
		{`{"a":1,"rag":{"x":[1,2]},"b":2}`, `{"a":1,"b":2}`},
		{`{"rag":{},"b":2}`, `{"b":2}`},
		{`{"a":1 , "rag" : 7 }`, `{"a":1  }`},
		{`{"rag":"x"}`, `{}`},
		{"{\n  \"a\": 1.0,\n  \"rag\": null,\n  \"b\": 2\n}", "{\n  \"a\": 1.0,\n  \"b\": 2\n}"},
		{` {"a":1,"rag":true}`, ` {"a":1}`},
	}
	for _, tt := range tests {
		k, v := find(tt.src, "rag")
		var e Edits
		e.RemoveMember([]byte(tt.src), k, v)
		if got := string(e.Apply([]byte(tt.src))); got != tt.want {
			t.Errorf("remove from %q: got %q, want %q", tt.src, got, tt.want)
		}
	}
}

func TestAddLast(t *testing.T) {
	tests := []struct{ src, want string }{
		{`{"m":{}}`, `{"m":{"k":1}}`},
		{`{"m":{"a":2}}`, `{"m":{"a":2,"k":1}}`},
		{`{"m": { } }`, `{"m": { "k":1} }`},
		{"{\"m\":{\"a\":[1,2] \n}}", "{\"m\":{\"a\":[1,2] \n,\"k\":1}}"},
	}
	for _, tt := range tests {
		_, v := find(tt.src, "m")
		var e Edits
		e.AddMember([]byte(tt.src), v, "k", []byte("1"))
		if got := string(e.Apply([]byte(tt.src))); got != tt.want {
			t.Errorf("add to %q: got %q, want %q", tt.src, got, tt.want)
		}
	}
	root := `{"a":1}` + "\n"
	var e Edits
	e.AddMember([]byte(root), gjson.Parse(root), "k", []byte("1"))
	if got, want := string(e.Apply([]byte(root))), `{"a":1,"k":1}`+"\n"; got != want {
		t.Errorf("add to the root: got %q, want %q", got, want)
	}
}

func TestApplyOrder(t *testing.T) {
	var e Edits
	e.Insert(4, []byte("B"))
	e.Replace(0, 2, []byte("A"))
	e.Insert(4, []byte("C"))
	if got, want := string(e.Apply([]byte("0123456"))), "A23BC456"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

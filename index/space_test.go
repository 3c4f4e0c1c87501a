package index_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// remote does not know its dimensions and must not be asked for them.
type remote struct {
	*fakeEmbedder
	t     *testing.T
	known string
}

func (r remote) KnownSpace() string { return r.known }

func (r remote) Space(context.Context) (string, error) {
	r.t.Error("a dry run asked the embedder for its space")
	return "", errors.New("not to be asked")
}

func TestDryRunAsksNoEmbedder(t *testing.T) {
	dir := t.TempDir()
	ingest(t, open(t, dir, newEmbedder()), "src", doc("a", "a fox"))
	for known, want := range map[string]error{"fake@?": nil, "fake@16": nil, "other@?": index.ErrSpace, "fake@8": index.ErrSpace} {
		x := open(t, dir, remote{newEmbedder(), t, known})
		b, err := x.Build(t.Context(), index.BuildOptions{Collection: "c", DryRun: true})
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", known, err, want)
		}
		if err != nil {
			continue
		}
		if got := add(t, b, "src", doc("a", "a fox"), doc("b", "a vixen")); got[0] != index.Unchanged || got[1] != index.Added {
			t.Errorf("%s: got %v, want unchanged and added", known, got)
		}
		commit(t, b)
	}
}

func TestSameSpace(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"m@8", "m@8", true},
		{"m@8", "m@16", false},
		{"m@?", "m@16", true},
		{"m@16", "m@?", true},
		{"m@?", "n@16", false},
		{"org@1/m@8", "org@2/m@?", false},
		{"org@1/m@8", "org@1/m@?", true},
		{"", "m@8", false},
		{"", "", true},
	} {
		if got := index.SameSpace(tc.a, tc.b); got != tc.want {
			t.Errorf("%q and %q: got %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
}

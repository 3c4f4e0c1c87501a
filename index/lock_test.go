package index_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

func TestSecondRunIsRefused(t *testing.T) {
	dir := t.TempDir()
	x, other := open(t, dir, newEmbedder()), open(t, dir, newEmbedder())
	first := begin(t, x)
	for _, y := range []*index.Index{x, other} {
		_, err := y.Build(t.Context(), index.BuildOptions{Collection: "c"})
		want := fmt.Sprintf("process %d", os.Getpid())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"c"`) {
			t.Errorf("got error %v, want one that names collection c and %s", err, want)
		}
	}
	if _, err := other.Build(t.Context(), index.BuildOptions{Collection: "c", DryRun: true}); err != nil {
		t.Errorf("got %v for a dry run, want none: it writes nothing", err)
	}
	d, err := other.Build(t.Context(), index.BuildOptions{Collection: "d"})
	if err != nil {
		t.Errorf("got %v for another collection, want none", err)
	} else if err := d.Abort(); err != nil {
		t.Error(err)
	}
	add(t, first, "src", doc("a", "a fox"))
	commit(t, first)
	ingest(t, other, "src", doc("b", "a fox")) // free after Commit
	begin(t, x).Abort()
	ingest(t, other, "src", doc("d", "a fox")) // free after Abort
	holds(t, x, "a", "b", "d")
}

package eval_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/retrieval/eval"
)

func TestRunWrite(t *testing.T) {
	run := eval.Run{
		"q2": {{Document: "d", Score: 1}},
		"q1": {{Document: "a", Score: 2.5}, {Document: "b", Score: .5}, {Document: "c", Score: .5}, {Document: "d", Score: .5}},
		"q0": nil,
	}
	var b strings.Builder
	if err := run.Write(&b, "tag"); err != nil {
		t.Fatal(err)
	}
	want := `q1 Q0 a 1 2.5 tag
q1 Q0 b 2 0.5 tag
q1 Q0 c 3 0.49999997 tag
q1 Q0 d 4 0.49999994 tag
q2 Q0 d 1 1 tag
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, id := range []string{"two words", "", "tab\t", "no\u00a0break"} {
		if err := (eval.Run{"q": {{Document: id}}}).Write(&b, "tag"); err == nil || !strings.Contains(err.Error(), "white space") {
			t.Errorf("id %q: got error %v, want one that names white space", id, err)
		}
	}
	if err := run.Write(brokenWriter{}, "tag"); !errors.Is(err, errBroken) {
		t.Errorf("got error %v, want the writer's", err)
	}
}

var errBroken = errors.New("disk full")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestReadRun(t *testing.T) {
	got, err := eval.ReadRun(strings.NewReader("qid Q0 docid rank score tag\r\nq1 Q0 b 2 1.5 tag\r\n" +
		"q1\tQ0\ta\t1\t2.5\ttag\n\n" + // in order of score, not of line
		"q1 Q0 b 3 0.25 tag\n" + // again, further down
		"q2 y 2 1\nq2 x 1 1\n")) // four columns; a tie goes by rank
	if err != nil {
		t.Fatal(err)
	}
	want := eval.Run{
		"q1": {{Document: "a", Score: 2.5}, {Document: "b", Score: 1.5}},
		"q2": {{Document: "x", Score: 1}, {Document: "y", Score: 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadRunErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"q1 Q0 a 1 2 tag\nq1 a\n", "line 2: it has 2 columns"},
		{"q1 Q0 a first 2 tag\n", `line 1: the rank "first"`},
		{"q1 Q0 a 1 NaN tag\n", `line 1: the score "NaN"`},
		{"q1 Q0 a 1 1e31 tag\n", `line 1: the score "1e31"`},
		{strings.Repeat("x", 17<<20), "line 1: "},
	} {
		if _, err := eval.ReadRun(strings.NewReader(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.40q: got error %v, want %q", test.text, err, test.want)
		}
	}
}

// What is read is written so that it reads the same: the order of the
// documents stays, and no two have the same score.
func FuzzReadRun(f *testing.F) {
	f.Add([]byte("q1 Q0 d1 1 2.5 tag\nq1 Q0 d2 2 2.5 tag\nq2 Q0 d1 1 -3 tag\n"))
	f.Add([]byte("qid Q0 docid rank score tag\nq1\td1\t1\t0.5\n\nq1\td1\t2\t0.25\n"))
	f.Add([]byte("q Q0 d 1 1e30 t\nq Q0 e 2 1e30 t\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		run, err := eval.ReadRun(bytes.NewReader(b))
		if err != nil {
			return
		}
		var text bytes.Buffer
		if err := run.Write(&text, "tag"); err != nil {
			t.Fatal(err)
		}
		again, err := eval.ReadRun(&text)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		byDocument := cmp.Transformer("documents", func(list []eval.Ranked) []string {
			var out []string
			for i, r := range list {
				if i > 0 && r.Score > list[i-1].Score {
					t.Errorf("got %v behind %v, want scores in order", r, list[i-1])
				}
				out = append(out, r.Document)
			}
			return out
		})
		if diff := cmp.Diff(run, again, byDocument); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}

package sse

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readAll(r io.Reader) (lines []string, err error) {
	lr := NewReader(r, nil)
	defer lr.Close()
	for {
		line, err := lr.Next()
		if err != nil {
			return lines, err
		}
		lines = append(lines, string(line))
	}
}

func TestReaderLines(t *testing.T) {
	long := "data: " + strings.Repeat("x", 10<<20) + "\n"
	tests := []struct {
		name, in string
		want     []string
	}{
		{"events", "data: a\n\ndata: b\n\n", []string{"data: a\n", "\n", "data: b\n", "\n"}},
		{"carriage returns", "data: a\r\n\r\n", []string{"data: a\r\n", "\r\n"}},
		{"comment, id, unknown field", ": hi\nid: 1\nfoo: bar\n", []string{": hi\n", "id: 1\n", "foo: bar\n"}},
		{"cut line", "data: a\n\ndata: b", []string{"data: a\n", "\n", "data: b"}},
		{"10 MB line", long + "\n", []string{long, "\n"}},
		{"empty", "", nil},
	}
	for _, tt := range tests {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "one byte at a time": iotest.OneByteReader, "error with data": iotest.DataErrReader,
		} {
			if len(tt.in) > 1<<20 && name == "one byte at a time" {
				continue // minutes, and the same code
			}
			got, err := readAll(wrap(strings.NewReader(tt.in)))
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s, %s: got error %v, want EOF", tt.name, name, err)
			}
			if !cmp.Equal(got, tt.want) {
				t.Errorf("%s, %s: got %d lines, want %d", tt.name, name, len(got), len(tt.want))
			}
		}
	}
}

func TestReaderKeepsTheError(t *testing.T) {
	broken := errors.New("connection reset")
	lines, err := readAll(io.MultiReader(strings.NewReader("data: a\nhalf"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || !cmp.Equal(lines, []string{"data: a\n", "half"}) {
		t.Errorf("got %q and %v, want both lines and %v", lines, err, broken)
	}
}

func TestData(t *testing.T) {
	tests := []struct {
		line, want string
		ok         bool
	}{
		{"data: x\n", "x", true}, {"data:x\r\n", "x", true}, {"data:  x", " x", true}, {"data:\n", "", true}, {"data: \n", "", true},
		{"data", "", false}, {": data: x\n", "", false}, {"\n", "", false}, {"database: x\n", "", false},
	}
	for _, tt := range tests {
		from, to, ok := Data([]byte(tt.line))
		if ok != tt.ok || tt.line[from:to] != tt.want {
			t.Errorf("Data(%q): got %q, %v, want %q, %v", tt.line, tt.line[from:to], ok, tt.want, tt.ok)
		}
	}
}

func TestKeepAliveFillsSilencesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := httptest.NewRecorder()
		w := NewWriter(rec, 15*time.Second, nil)
		defer w.Close()
		w.KeepAlive()
		for range 5 { // a delta every 10 s: no silence
			time.Sleep(10 * time.Second)
			w.Event([]byte("{}"))
			w.Flush()
		}
		w.Line([]byte("data: half an event\n"))
		w.Flush()
		time.Sleep(time.Minute) // nothing may be put into it
		w.Line([]byte("\n"))
		w.Flush()
		time.Sleep(31 * time.Second)
		w.Close()
		time.Sleep(time.Minute)
		want := strings.Repeat("data: {}\n\n", 5) + "data: half an event\n\n" + strings.Repeat(": keep-alive\n\n", 2)
		if got := rec.Body.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// FuzzReader holds the reader to its promise: the lines are the stream, and
// each but the last ends in a line feed and holds no other.
func FuzzReader(f *testing.F) {
	f.Add([]byte("data: a\n\n: c\r\n\r\ndata: [DONE]"))
	f.Add([]byte{0, '\n', 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		lines, err := readAll(iotest.HalfReader(bytes.NewReader(in)))
		if !errors.Is(err, io.EOF) {
			t.Fatalf("got error %v, want EOF", err)
		}
		if got := strings.Join(lines, ""); got != string(in) {
			t.Fatalf("got %q, want %q", got, in)
		}
		for i, line := range lines {
			if Terminated([]byte(line)) != (strings.Count(line, "\n") == 1) || i < len(lines)-1 && !Terminated([]byte(line)) {
				t.Fatalf("line %d of %q is %q", i, in, line)
			}
			if from, to, ok := Data([]byte(line)); ok && (from > to || to > len(line)) {
				t.Fatalf("Data(%q) is [%d, %d)", line, from, to)
			}
		}
	})
}

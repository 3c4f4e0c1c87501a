package clienttest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// matrix is testdata/matrix.txt: for each "client/mode/case", what the client
// reaches, as a cell's text.
type matrix map[string]string

const (
	matrixFile = "testdata/matrix.txt"
	matrixHead = "# What each client reaches. Written by `go test ./internal/clienttest -update`; a \"no\" is a fact, not a skip.\n"
)

func readMatrix(t *testing.T) matrix {
	m := matrix{}
	b, err := os.ReadFile(matrixFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if name, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); ok && line[0] != '#' {
			m[name] = text
		}
	}
	return m
}

// caseNames are all cases, in the order of the tables.
func caseNames() []string {
	var out []string
	for _, c := range clients() {
		for _, mode := range c.modes {
			at := c.name + "/" + mode + "/"
			for _, d := range dialects {
				for _, kind := range kinds {
					out = append(out, at+d+"/"+kind)
				}
			}
			for _, s := range switched {
				out = append(out, at+s.name)
			}
			for _, b := range broken {
				out = append(out, at+b.name)
			}
		}
	}
	return out
}

// matrixOf is the part of the matrix of one mode of one client.
type matrixOf struct {
	matrix
	at string
}

func (m matrix) of(client, mode string) matrixOf { return matrixOf{m, client + "/" + mode + "/"} }

func (m matrixOf) check(t *testing.T, name string, got cell) {
	t.Helper()
	t.Log(got)
	if *update {
		m.matrix[m.at+name] = got.String()
	}
	if want := m.matrix[m.at+name]; got.String() != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func (m matrix) write(t *testing.T) {
	var b strings.Builder
	b.WriteString(matrixHead)
	for _, name := range caseNames() {
		if text, ok := m[name]; ok {
			fmt.Fprintf(&b, "%s: %s\n", name, text)
		}
	}
	if err := os.WriteFile(matrixFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestMatrixIsWhole holds the file to the cases, also where the clients are
// not installed.
func TestMatrixIsWhole(t *testing.T) {
	m := readMatrix(t)
	for _, name := range caseNames() {
		if _, ok := m[name]; !ok {
			t.Errorf("%s is not in %s: run the test with -update and all clients", name, matrixFile)
		}
		delete(m, name)
	}
	for name := range m {
		t.Errorf("%s in %s is no case", name, matrixFile)
	}
}

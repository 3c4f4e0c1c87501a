package load

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// maxRow is the most bytes of a row.
const maxRow = 1 << 20

// loadCSV takes every row as a document: a line "header: value" for each cell
// that is not empty, under the first of them as the title. Its id is "<input's
// id>#<line>", and its metadata has the line ("row"). What parts the cells
// (a comma, semicolon, tab or bar) is seen from the header, the first row.
func loadCSV(ctx context.Context, in input, opts Options) iter.Seq2[index.Document, error] {
	return func(yield func(index.Document, error) bool) {
		text, err := readText(in, opts)
		if err != nil {
			yield(in.document(), err)
			return
		}
		budget := &budget{r: strings.NewReader(text), most: maxRow}
		rows := csv.NewReader(budget)
		rows.Comma = separator(text)
		rows.FieldsPerRecord = -1
		rows.LazyQuotes = true
		rows.ReuseRecord = true
		var header []string
		line := 0
		for ctx.Err() == nil {
			budget.used = 0
			cells, err := rows.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				if errors.Is(err, errBudget) {
					err = fmt.Errorf("%w (is a quote left open?)", err)
				}
				yield(in.document(), fmt.Errorf("read the row after line %d: %w", line, err))
				return
			}
			if len(cells) == 1 && strings.HasPrefix(cells[0], "sep=") && header == nil { // for Excel
				continue
			}
			if header == nil {
				header = headerOf(cells)
				continue
			}
			line, _ = rows.FieldPos(0)
			doc := in.document()
			doc.ID = fmt.Sprintf("%s#%d", in.id, line)
			doc.Title, doc.Text = rowText(header, cells)
			doc.Meta = map[string]any{"row": line}
			if !yield(doc, nil) {
				return
			}
		}
		yield(in.document(), ctx.Err())
	}
}

// separator is the character that parts the cells of a text's first line.
func separator(text string) rune {
	line, _, _ := strings.Cut(text, "\n")
	if s, ok := strings.CutPrefix(strings.TrimSpace(line), "sep="); ok && len(s) == 1 && strings.Contains(",;|\t", s) {
		return rune(s[0])
	}
	best, most := ',', 0
	for _, r := range ",;\t|" {
		if n := strings.Count(line, string(r)); n > most {
			best, most = r, n
		}
	}
	return best
}

// headerOf names the columns; one without a name is counted.
func headerOf(cells []string) []string {
	header := make([]string, len(cells))
	for i, cell := range cells {
		if header[i] = collapse(cell); header[i] == "" {
			header[i] = columnName(i)
		}
	}
	return header
}

func columnName(i int) string { return fmt.Sprintf("column %d", i+1) }

// rowText is a row as lines "header: value", and its first value.
func rowText(header, cells []string) (title, text string) {
	var b strings.Builder
	for i, cell := range cells {
		if cell = strings.TrimSpace(cell); cell == "" {
			continue
		}
		name := ""
		if i < len(header) {
			name = header[i]
		} else {
			name = columnName(i)
		}
		if title == "" {
			title = collapse(cell)
			if len(title) > maxHeading {
				title = strings.ToValidUTF8(title[:maxHeading], "") + "…"
			}
		} else {
			b.WriteByte('\n')
		}
		b.WriteString(name + ": " + cell)
	}
	return title, b.String()
}

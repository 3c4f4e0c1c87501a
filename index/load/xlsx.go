package load

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/ragproxy/ragproxy/index"
)

// maxEmpty is the most empty cells in the rows of a workbook: a cell far to the
// right costs as much as all the empty ones before it.
const maxEmpty = 4_000_000

// loadXLSX takes the rows of a workbook's visible sheets as they are shown:
// a paragraph for each row, with a line "header: value" for each cell that is
// not empty. The header is a sheet's first row with more than one cell. A sheet
// is marked with its name ("sheet").
func loadXLSX(ctx context.Context, in input, opts Options) (index.Document, error) {
	body, err := readAll(in.body, opts.MaxBytes)
	if err != nil {
		return index.Document{}, err
	}
	body, err = xlsxParts(body, opts)
	if err != nil {
		return index.Document{}, err
	}
	// Sheets and strings over the limit are kept in temporary files.
	book, err := excelize.OpenReader(bytes.NewReader(body), excelize.Options{UnzipSizeLimit: max(opts.MaxBytes, maxXLSXPart), UnzipXMLSizeLimit: maxXLSXPart})
	if err != nil {
		return index.Document{}, fmt.Errorf("read workbook: %w", err)
	}
	defer book.Close()
	w := newWriter(opts)
	empty := 0
	for _, sheet := range book.GetSheetList() {
		if visible, err := book.GetSheetVisible(sheet); err == nil && !visible {
			continue
		}
		if err := xlsxSheet(ctx, &w, book, sheet, &empty); err != nil {
			return index.Document{}, fmt.Errorf("read sheet %q: %w", sheet, err)
		}
	}
	var p properties
	if core, err := book.GetDocProps(); err == nil {
		p = properties{title: core.Title, author: core.Creator, date: core.Modified}
		if p.author == "xuri" { // the library's own, where the file has none
			p.author = ""
		}
	}
	return w.into(in.titled(p.title, p.meta()))
}

// maxXLSXPart is the most bytes of a part that is held in memory.
const maxXLSXPart = 2 << 20

// xlsxParts is a workbook with only the parts that its text needs, because the
// library unpacks all of them. Each is unpacked to nowhere first: the library
// goes by the sizes that the archive claims.
func xlsxParts(body []byte, opts Options) ([]byte, error) {
	a, err := openArchive(input{body: bytes.NewReader(body)}, opts)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	out := zip.NewWriter(&packed)
	for _, name := range slices.Sorted(maps.Keys(a.parts)) {
		most := int64(maxXLSXPart)
		switch folder, base := path.Split(name); {
		case strings.Contains(folder, "worksheets/"), strings.EqualFold(base, "sharedStrings.xml"):
			most = opts.MaxBytes
		case strings.HasSuffix(base, ".xml") && (folder == "" || folder == "xl/" || folder == "docProps/"), folder == "xl/theme/", strings.HasSuffix(base, ".rels"):
		default:
			continue
		}
		if err := a.check(name, most); err != nil {
			return nil, err
		}
		if err := out.Copy(a.parts[name]); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	return packed.Bytes(), nil
}

// check unpacks a part to nowhere; more than most bytes are an error, and so
// is another number of them than the archive says.
func (a *archive) check(name string, most int64) error {
	r, err := a.part(name)
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", name, err)
	case n > most:
		return fmt.Errorf("read %s: larger than %d bytes", name, most)
	case uint64(n) != a.parts[name].UncompressedSize64:
		return fmt.Errorf("read %s: it is not as large as the archive says", name)
	}
	return nil
}

// xlsxSheet adds a sheet's rows.
func xlsxSheet(ctx context.Context, w *writer, book *excelize.File, sheet string, empty *int) error {
	rows, err := book.Rows(sheet)
	if err != nil {
		return err
	}
	defer rows.Close()
	meta := map[string]any{"sheet": clean(sheet)}
	var header []string
	for rows.Next() && ctx.Err() == nil && !w.over {
		row, err := rows.Columns()
		if err != nil {
			return err
		}
		filled := filled(row)
		if *empty += len(row) + 1 - filled; *empty > maxEmpty {
			return fmt.Errorf("more than %d empty cells", maxEmpty)
		}
		text := ""
		switch {
		case filled == 0:
			continue
		case header == nil && filled == 1: // a title above the table, or a list
			text = strings.Join(row, "")
		case header == nil:
			header = headerOf(row)
			continue
		default:
			_, text = rowText(header, row)
		}
		if meta != nil {
			w.part(text, meta)
			meta = nil
			continue
		}
		w.add("\n\n", text)
	}
	if header != nil && meta != nil { // a single row
		w.part(strings.Join(header, "\t"), meta)
	}
	return errors.Join(ctx.Err(), rows.Error())
}

// filled counts the cells with something in them.
func filled(row []string) int {
	n := 0
	for _, cell := range row {
		if strings.TrimSpace(cell) != "" {
			n++
		}
	}
	return n
}

package load

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/load/pdfium"
)

// session is what the files of one Load share.
type session struct {
	cacheDir string
	engine   *pdfium.Engine // nil until there is a PDF
}

// pdf is the PDF reader, compiled when it is first asked for.
func (s *session) pdf(ctx context.Context) (*pdfium.Engine, error) {
	if s.engine != nil {
		return s.engine, nil
	}
	engine, err := pdfium.New(ctx, pdfium.Options{CacheDir: s.cacheDir})
	if err != nil {
		return nil, err
	}
	s.engine = engine
	return engine, nil
}

func (s *session) close(ctx context.Context) {
	if s.engine != nil {
		s.engine.Close(ctx) // nothing can be done about an error, and nothing is lost
	}
}

// loadPDF takes the text of the pages in their order, an empty line between
// two of them, and marks each one with its number ("page", from 1). A file of
// pictures has no text, and says so.
func loadPDF(ctx context.Context, in input, opts Options) (index.Document, error) {
	body, err := readAll(in.body, opts.MaxBytes)
	if err != nil {
		return index.Document{}, err
	}
	engine, err := opts.session.pdf(ctx)
	if err != nil {
		return index.Document{}, err
	}
	w := newWriter(opts)
	info, err := engine.Read(ctx, body, func(n int, text string) bool {
		if strings.TrimSpace(text) != "" {
			w.part(text, map[string]any{"page": n})
		}
		return !w.over
	})
	switch {
	case err != nil:
		return index.Document{}, err
	case info.Pages == 0:
		return index.Document{}, errors.New("a PDF without pages")
	case w.runes == 0 && !w.over:
		return index.Document{}, noText(fmt.Sprintf("no text on its %d pages: a scan? (recognise its text first, with ocrmypdf for example)", info.Pages))
	}
	return w.into(in.titled(pdfTitle(info.Title), properties{author: info.Author}.meta()))
}

// pdfTitle leaves out what programs write where a person wrote nothing: the
// name of the file that was printed.
func pdfTitle(title string) string {
	switch strings.ToLower(path.Ext(title)) {
	case ".dvi", ".ps", ".pdf", ".tex", ".doc", ".docx", ".rtf", ".odt", ".ppt", ".pptx", ".xls", ".xlsx", ".indd", ".qxd", ".fm", ".html":
		return ""
	}
	if strings.HasPrefix(title, "Microsoft Word - ") || strings.EqualFold(title, "untitled") {
		return ""
	}
	return title
}

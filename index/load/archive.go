package load

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/net/html/charset"
)

// Limits of a zip archive, which is what office files and books are. Text
// packs to a tenth, repeated cells to a fiftieth; only bombs pack to a
// thousandth.
const (
	maxArchiveParts = 20_000
	maxPackRatio    = 200
	freePacked      = 1 << 20 // bytes that a part may unpack to at any ratio
	maxXMLDepth     = 1000
	maxXMLToken     = 4 << 20 // bytes of a text or a tag, which are held in memory
)

var errBomb = fmt.Errorf("unpacks to more than %d times its size: a bomb?", maxPackRatio)

// archive is a zip archive whose parts may unpack to so many bytes together.
type archive struct {
	parts map[string]*zip.File
	left  int64
	limit int64
}

// openArchive reads an input as a zip archive.
func openArchive(in input, opts Options) (*archive, error) {
	body, err := readAll(in.body, opts.MaxBytes)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(body, []byte("\xd0\xcf\x11\xe0")) {
		return nil, errors.New("encrypted, or of the format before 2007: save it again without a password")
	}
	return newArchive(body, opts)
}

func newArchive(body []byte, opts Options) (*archive, error) {
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if len(z.File) > maxArchiveParts {
		return nil, fmt.Errorf("read archive: has %d parts, more than %d", len(z.File), maxArchiveParts)
	}
	a := &archive{parts: map[string]*zip.File{}, left: opts.MaxBytes, limit: opts.MaxBytes}
	for _, f := range z.File {
		if name := partName("", f.Name); a.parts[name] == nil {
			a.parts[name] = f
		}
	}
	return a, nil
}

// partName is the name of a part as one beside it, or in its folder, refers
// to it.
func partName(folder, name string) string {
	name = strings.ReplaceAll(name, `\`, "/")
	if !strings.HasPrefix(name, "/") {
		name = path.Join(folder, name)
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// part is a part's bytes as they are unpacked; nil if there is no such part.
// The archive's check sums and sizes are not looked at: they may be anything.
func (a *archive) part(name string) (io.ReadCloser, error) {
	f := a.parts[name]
	if f == nil {
		return nil, nil
	}
	raw, err := f.OpenRaw()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	packed := &counted{r: raw}
	switch {
	case f.Flags&1 != 0:
		return nil, fmt.Errorf("read %s: encrypted: save the file again without a password", name)
	case f.Method == zip.Store:
		return &partReader{ReadCloser: io.NopCloser(packed), archive: a, packed: packed}, nil
	case f.Method == zip.Deflate:
		return &partReader{ReadCloser: flate.NewReader(packed), archive: a, packed: packed}, nil
	}
	return nil, fmt.Errorf("read %s: packed by the unknown method %d", name, f.Method)
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// partReader unpacks a part within the archive's limits.
type partReader struct {
	io.ReadCloser
	archive *archive
	packed  *counted
	n       int64
}

func (r *partReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.n += int64(n)
	r.archive.left -= int64(n)
	switch {
	case r.n > freePacked+maxPackRatio*r.packed.n:
		return 0, errBomb
	case r.archive.left < 0:
		return 0, fmt.Errorf("unpacks to more than load.max_bytes (%d)", r.archive.limit)
	}
	return n, err
}

// walk calls token with the tokens of an XML part. It says whether there is
// such a part.
func (a *archive) walk(name string, token func(xml.Token) error) (bool, error) {
	r, err := a.part(name)
	if r == nil || err != nil {
		return false, err
	}
	defer r.Close()
	if err := walkXML(r, token); err != nil {
		return true, fmt.Errorf("read %s: %w", name, err)
	}
	return true, nil
}

// walkXML calls token with every token of an XML document. Entities of its own
// are an error, so none is ever blown up.
func walkXML(r io.Reader, token func(xml.Token) error) error {
	budget := &budget{r: r, most: maxXMLToken}
	d := xml.NewDecoder(budget)
	d.CharsetReader = charset.NewReaderLabel
	depth := 0
	for {
		budget.used = 0
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t.(type) {
		case xml.StartElement:
			if depth++; depth > maxXMLDepth {
				return fmt.Errorf("more than %d elements inside each other", maxXMLDepth)
			}
		case xml.EndElement:
			depth--
		}
		if err := token(t); err != nil {
			return err
		}
	}
}

// budget is an input of which only so much is read at a time: for the next
// token, or row. Its user sets used to 0 between two.
type budget struct {
	r          io.Reader
	used, most int
}

var errBudget = errors.New("too much in one piece")

func (b *budget) Read(p []byte) (int, error) {
	if b.used > b.most {
		return 0, fmt.Errorf("%w: more than %d bytes", errBudget, b.most)
	}
	n, err := b.r.Read(p)
	b.used += n
	return n, err
}

// attribute is the value of an attribute by its local name, "" if there is
// none.
func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// properties reads the title, author and date that a part says in Dublin
// Core, as office files and books do.
func (a *archive) properties(name string) (properties, error) {
	var p properties
	var field *string
	_, err := a.walk(name, func(t xml.Token) error {
		switch t := t.(type) {
		case xml.StartElement:
			field = p.field(t.Name.Local)
			if field != nil && *field != "" {
				field = nil // the first one counts
			}
		case xml.CharData:
			if field != nil && len(*field) < 4096 {
				*field += string(t)
			}
		case xml.EndElement:
			field = nil
		}
		return nil
	})
	return p, err
}

// field is the field for an element's name; nil if there is none.
func (p *properties) field(name string) *string {
	switch name {
	case "title":
		return &p.title
	case "creator":
		return &p.author
	case "modified", "date":
		return &p.date
	}
	return nil
}

// relations reads the part that says what a part refers to: target and type
// by id. A target is the name of a part.
func (a *archive) relations(of string) (map[string]relation, error) {
	folder, base := path.Split(of)
	all := map[string]relation{}
	_, err := a.walk(folder+"_rels/"+base+".rels", func(t xml.Token) error {
		if e, ok := t.(xml.StartElement); ok && e.Name.Local == "Relationship" && attribute(e, "TargetMode") != "External" {
			all[attribute(e, "Id")] = relation{partName(folder, attribute(e, "Target")), path.Base(attribute(e, "Type"))}
		}
		return nil
	})
	return all, err
}

// relation is what a part refers to: a part and what it is ("notesSlide").
type relation struct{ target, kind string }

// related is the first target of a kind, else the fallback.
func related(all map[string]relation, kind, fallback string) string {
	best := ""
	for _, r := range all {
		if r.kind == kind && (best == "" || r.target < best) {
			best = r.target
		}
	}
	if best == "" {
		return fallback
	}
	return best
}

package pdfium

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/tetratelabs/wazero/api"
)

// The reasons for which a file cannot be opened.
var (
	ErrEncrypted = errors.New("encrypted: it opens only with a password")
	ErrDamaged   = errors.New("not a PDF file, or a damaged one")
)

// Info is what a file says of itself; "" where it says nothing.
type Info struct {
	Pages         int
	Title, Author string
}

// document is an open file in an instance.
type document struct {
	ctx    context.Context
	module api.Module
	handle uint64
}

// Read calls page with the text of every page of a PDF file, in the order of
// the pages (from 1), until it returns false. A page that cannot be read has no
// text. The errors are [ErrEncrypted], [ErrDamaged], that of ctx, and others
// that say what PDFium met; pages that were handed over before an error are
// good. Source of the functions called: PDFium's public/fpdfview.h,
// fpdf_text.h and fpdf_doc.h.
func (e *Engine) Read(ctx context.Context, file []byte, page func(n int, text string) bool) (Info, error) {
	module, err := e.instantiate(ctx, e.memory+2*int64(len(file)))
	if err != nil {
		return Info{}, fmt.Errorf("start PDFium: %w", errors.Join(ctx.Err(), err))
	}
	// Everything that the file took goes with the instance, so nothing of it
	// is closed.
	defer module.Close(context.WithoutCancel(ctx))
	d := document{ctx: ctx, module: module}
	if err := d.open(file); err != nil {
		return Info{}, err
	}
	var info Info
	pages, err := d.call("FPDF_GetPageCount", d.handle)
	if err != nil {
		return info, err
	}
	info.Pages = max(0, int(int32(pages)))
	if info.Title, err = d.property("Title"); err == nil {
		info.Author, err = d.property("Author")
	}
	for n := 0; n < info.Pages && err == nil; n++ {
		var text string
		if text, err = d.page(n); err == nil && !page(n+1, text) {
			break
		}
	}
	return info, err
}

func (d *document) call(name string, arguments ...uint64) (uint32, error) {
	return call(d.ctx, d.module, name, arguments...)
}

// open copies the file into the instance and opens it.
func (d *document) open(file []byte) error {
	if _, err := d.call("FPDF_InitLibrary"); err != nil {
		return err
	}
	at, err := d.write(file)
	if err != nil {
		return err
	}
	handle, err := d.call("FPDF_LoadMemDocument", at, uint64(len(file)), 0)
	if err != nil {
		return err
	}
	if handle == 0 {
		code, err := d.call("FPDF_GetLastError")
		switch {
		case err != nil:
			return err
		case code == 4, code == 5: // FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY
			return ErrEncrypted
		}
		return ErrDamaged
	}
	d.handle = uint64(handle)
	return nil
}

// write copies bytes into the instance, with a zero behind, and returns where.
func (d *document) write(b []byte) (uint64, error) {
	at, err := d.malloc(len(b) + 1)
	if err != nil {
		return 0, err
	}
	memory := d.module.Memory()
	if !memory.Write(uint32(at), b) || !memory.WriteByte(uint32(at)+uint32(len(b)), 0) {
		return 0, errAborted
	}
	return at, nil
}

func (d *document) malloc(size int) (uint64, error) {
	at, err := d.call("malloc", uint64(size))
	if err == nil && at == 0 {
		err = errAborted
	}
	return uint64(at), err
}

func (d *document) free(at uint64) error {
	_, err := d.call("free", at)
	return err
}

// maxProperty is the most bytes of a title or an author.
const maxProperty = 4096

// property is an entry of the file's information dictionary.
func (d *document) property(key string) (string, error) {
	tag, err := d.write([]byte(key))
	if err != nil {
		return "", err
	}
	at, err := d.malloc(maxProperty)
	if err != nil {
		return "", err
	}
	length, err := d.call("FPDF_GetMetaText", d.handle, tag, at, maxProperty)
	if err != nil || length > maxProperty || length < 2 {
		return "", err
	}
	text := d.utf16(at, int(length)/2-1)
	return strings.Join(strings.Fields(text), " "), errors.Join(d.free(at), d.free(tag))
}

// page is the text of a page, from 0.
func (d *document) page(n int) (string, error) {
	page, err := d.call("FPDF_LoadPage", d.handle, uint64(n))
	if err != nil || page == 0 {
		return "", err
	}
	text, err := d.pageText(uint64(page))
	if err != nil {
		return "", err
	}
	_, err = d.call("FPDF_ClosePage", uint64(page))
	return text, err
}

func (d *document) pageText(page uint64) (string, error) {
	handle, err := d.call("FPDFText_LoadPage", page)
	if err != nil || handle == 0 {
		return "", err
	}
	characters, err := d.call("FPDFText_CountChars", uint64(handle))
	if err != nil {
		return "", err
	}
	text := ""
	if count := int(int32(characters)); count > 0 {
		if text, err = d.textOf(uint64(handle), count); err != nil {
			return "", err
		}
	}
	_, err = d.call("FPDFText_ClosePage", uint64(handle))
	return text, err
}

// textOf reads the characters of a text page one by one: FPDFText_GetText
// drops those above U+FFFF, of which formulas and emoji are made.
func (d *document) textOf(handle uint64, count int) (string, error) {
	function := d.module.ExportedFunction("FPDFText_GetUnicode")
	var text strings.Builder
	var stack [2]uint64
	var half rune // the first of a surrogate pair, which some files make two characters of
	for i := range count {
		stack[0], stack[1] = handle, uint64(i)
		if err := function.CallWithStack(d.ctx, stack[:]); err != nil {
			return "", failure(d.ctx, err)
		}
		r := rune(uint32(stack[0]))
		if pair := utf16.DecodeRune(half, r); pair != unicode.ReplacementChar {
			r = pair
		}
		if half = r; !utf16.IsSurrogate(r) {
			text.WriteRune(r)
		}
	}
	return tidy(text.String()), nil
}

// utf16 is the text in an instance's memory.
func (d *document) utf16(at uint64, units int) string {
	raw, ok := d.module.Memory().Read(uint32(at), uint32(2*units))
	if !ok {
		return ""
	}
	decoded := make([]uint16, units)
	for i := range decoded {
		decoded[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
	return string(utf16.Decode(decoded))
}

// tidy makes PDFium's text plain: a word that a hyphen parts over two lines is
// one word, ligatures are letters, and a line ends in "\n".
func tidy(text string) string {
	text = strings.NewReplacer("\x02\r\n", "", "\ufffe\r\n", "", "\x02", "", "\ufffe", "", "\r\n", "\n", "\r", "\n", "\x00", "",
		"ﬀ", "ff", "ﬁ", "fi", "ﬂ", "fl", "ﬃ", "ffi", "ﬄ", "ffl").Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\u00a0")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

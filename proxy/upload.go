package proxy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/unicode/norm"
)

const (
	maxUploads = 1000    // files of a request
	maxField   = 4 << 10 // bytes of a field that is no file
)

// readUpload reads a form with files, each into a file of its own: no more of
// them than a buffer is in memory. remove must be called, also after an error.
func (s *Server) readUpload(c *gin.Context) (in Ingest, remove func(), err error) {
	parts, err := c.Request.MultipartReader()
	if err != nil {
		return in, func() {}, badRequest("invalid_multipart", "", "the form cannot be read: "+err.Error())
	}
	dir, err := os.MkdirTemp("", "ragproxy-upload-")
	if err != nil {
		return in, func() {}, cannotKeep(err)
	}
	remove = func() { os.RemoveAll(dir) } // nobody could do more about an error
	u := upload{in: &in, dir: dir, extensions: s.opts.Documents.Extensions(), given: map[string]bool{}}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = u.take(part)
		}
		if err != nil {
			return in, remove, uploadError(c, err)
		}
	}
	if _, err := io.Copy(io.Discard, c.Request.Body); err != nil { // net/http sees the client go only behind the body
		return in, remove, uploadError(c, err)
	}
	if len(in.Files) == 0 {
		return in, remove, badRequest("invalid_multipart", "file", "the form has no part \"file\"")
	}
	return in, remove, nil
}

// upload gathers the parts of a form.
type upload struct {
	in         *Ingest
	dir        string
	extensions []string
	given      map[string]bool
}

func (u *upload) take(part *multipart.Part) error {
	name := part.FormName()
	if name == "file" {
		return u.file(part)
	}
	if !slices.Contains([]string{"collection", "class", "select"}, name) {
		return badRequest("unknown_rag_option", name, "unknown form field "+strconv.Quote(name)+": there are file, collection, class, select")
	}
	if u.given[name] {
		return invalidOption(name, "given once")
	}
	u.given[name] = true
	raw, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err != nil {
		return err
	}
	if len(raw) > maxField {
		return invalidOption(name, fmt.Sprintf("of at most %d bytes", maxField))
	}
	value := strings.TrimSpace(string(raw))
	switch name {
	case "collection":
		u.in.Collection = value
	case "class":
		u.in.Classes = splitClasses(value)
	case "select":
		u.in.Select = value
	}
	return nil
}

func (u *upload) file(part *multipart.Part) error {
	if len(u.in.Files) == maxUploads {
		return badRequest("invalid_multipart", "file", fmt.Sprintf("the form has more than %d files", maxUploads))
	}
	name := cleanName(part.FileName())
	if name == "" {
		return badRequest("invalid_multipart", "file", "a part \"file\" has no file name: it tells the format and becomes the document's id")
	}
	if !slices.Contains(u.extensions, strings.ToLower(path.Ext(name))) {
		return &Error{Status: http.StatusUnsupportedMediaType, Type: "invalid_request_error", Code: "unsupported_file_type", Param: "file",
			Message: "no loader for the file " + strconv.Quote(name) + "; supported: " + strings.Join(u.extensions, " ")}
	}
	if slices.ContainsFunc(u.in.Files, func(f Upload) bool { return f.Name == name }) {
		return badRequest("invalid_multipart", "file", "two files are called "+strconv.Quote(name)+": the name becomes the document's id")
	}
	to := filepath.Join(u.dir, strconv.Itoa(len(u.in.Files))) // never a name from outside
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, part)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	u.in.Files = append(u.in.Files, Upload{Name: name, Path: to})
	return nil
}

// uploadError tells the form's faults from the connection's and our own.
func uploadError(c *gin.Context, err error) error {
	var known *Error
	var ours *fs.PathError
	var tooLarge *http.MaxBytesError
	var timeout interface{ Timeout() bool }
	switch {
	case c.Request.Context().Err() != nil:
		return c.Request.Context().Err()
	case errors.As(err, &ours):
		return cannotKeep(err)
	case errors.As(err, &known), errors.As(err, &tooLarge):
		return err
	case errors.As(err, &timeout) && timeout.Timeout():
		return bodyError(err)
	}
	e := badRequest("invalid_multipart", "", "the form is broken off or not well formed: "+err.Error())
	e.Err = err
	return e
}

func cannotKeep(err error) error {
	return &Error{Status: http.StatusServiceUnavailable, Type: "service_unavailable", Code: "upload_failed", Err: err,
		Message: "the server cannot keep the upload: its temporary folder is full or cannot be written"}
}

// maxName is the most bytes of an upload's name.
const maxName = 200

// cleanName is what is left of a client's file name: its last part, in one
// spelling, without what cannot be seen; "" if that is nothing.
func cleanName(raw string) string {
	name := strings.ToValidUTF8(raw, "\uFFFD")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return -1
		}
		return r
	}, name)
	name = trimName(norm.NFC.String(name)) // macOS sends é in two parts
	if len(name) <= maxName {
		return name
	}
	extension := path.Ext(name)
	if len(extension) > maxName/2 {
		extension = ""
	}
	return trimName(strings.ToValidUTF8(name[:maxName-len(extension)], "") + extension)
}

// trimName takes off what Windows would, too.
func trimName(name string) string {
	return strings.TrimLeftFunc(strings.TrimRightFunc(name, func(r rune) bool { return r == '.' || unicode.IsSpace(r) }), unicode.IsSpace)
}

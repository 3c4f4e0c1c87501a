package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

var errBinary = errors.New("looks binary")

// readText reads an input as text that is no binary.
func readText(in input, opts Options) (string, error) {
	body, err := readAll(in.body, opts.MaxBytes)
	if err != nil {
		return "", err
	}
	text, err := decode(body, in.charset)
	if err != nil {
		return "", err
	}
	if strings.Contains(text, "\x00") {
		return "", errBinary
	}
	return text, nil
}

// readAll reads at most limit bytes; more is an error.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("larger than load.max_bytes (%d)", limit)
	}
	return body, nil
}

// decode returns body as UTF-8 without a byte order mark. All of the body is
// looked at before its charset is believed, because charset.DetermineEncoding
// sees no further than 1,024 bytes and takes later UTF-8 for Windows-1252.
func decode(body []byte, contentType string) (string, error) {
	if utf8.Valid(body) {
		return string(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))), nil
	}
	encoding, name, _ := charset.DetermineEncoding(body, contentType)
	text, err := encoding.NewDecoder().Bytes(body)
	if err != nil {
		return "", fmt.Errorf("decode %s: %w", name, err)
	}
	return strings.ToValidUTF8(strings.TrimPrefix(string(text), "\ufeff"), "\uFFFD"), nil
}

package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// shortestSecret keeps "key" or "none", which local upstreams take, from being
// cut out of words.
const shortestSecret = 8

// maxErrorBody bounds what is read of an upstream's error.
const maxErrorBody = 1 << 20

// scrub takes the key that we sent out of an upstream's headers and error
// texts: some echo it. Answers are not looked through.
func (u *upstream) scrub(resp *http.Response) error {
	if len(u.key) < shortestSecret {
		return nil
	}
	for name, values := range resp.Header {
		for i, v := range values {
			if strings.Contains(v, u.key) {
				resp.Header[name][i] = strings.ReplaceAll(v, u.key, "***")
			}
		}
	}
	if resp.StatusCode < http.StatusBadRequest {
		return nil
	}
	if err := decompress(resp); err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body.Close()
	if err != nil {
		return fmt.Errorf("read upstream's error: %w", err)
	}
	body = bytes.ReplaceAll(body, []byte(u.key), []byte("***"))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if resp.Header.Get("Content-Length") != "" {
		resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return nil
}

// scrubLine does so for the line of an error in a stream.
func (u *upstream) scrubLine(line []byte) []byte {
	if len(u.key) < shortestSecret || !bytes.Contains(line, []byte(u.key)) {
		return line
	}
	return bytes.ReplaceAll(line, []byte(u.key), []byte("***"))
}

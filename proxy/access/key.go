// Package access says who may use a server: client keys, what each may search
// and how much it may ask.
//
// Keys live in one JSON file, of which only hashes of the secrets are part.
// [File] is that file for the commands that write it; [Open] makes the [Store]
// that a running server asks:
//
//	store, err := access.Open(path)
//	go store.Watch(ctx, logger)              // what is written holds within seconds
//	client, err := store.Check(secret)       // nil client: no key is needed
//	ok := client.May("docs")                 // else a 403
//	filters := client.Filters(theirs)        // both must hold
//
// The package knows no HTTP.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// Key is one client's entry in the keys file. A nil Collections means all of
// them, an empty list none. A rate of 0 is the server's default.
type Key struct {
	Name        string         `json:"name"`
	SHA256      string         `json:"sha256"` // of the secret, in hex
	Collections []string       `json:"collections,omitzero"`
	Filter      map[string]any `json:"filter,omitempty"` // as index.CheckFilters takes it
	RPM         int            `json:"rpm,omitempty"`    // requests a minute
	TPM         int            `json:"tpm,omitempty"`    // tokens a minute
	Write       bool           `json:"write,omitempty"`  // may index and delete documents
	Concurrency int            `json:"concurrency,omitempty"`
	Created     time.Time      `json:"created"`
	Expires     time.Time      `json:"expires,omitzero"` // zero: never
	Revoked     time.Time      `json:"revoked,omitzero"` // zero: it is not
}

// Status is what a key is good for.
func (k Key) Status(now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired"
	}
	return "active"
}

// May says whether the key may search a collection.
func (k Key) May(collection string) bool {
	return k.Collections == nil || slices.Contains(k.Collections, collection)
}

// Prefix begins every secret, so that scanners of leaked secrets know it.
const Prefix = "rp-"

// newSecret has 256 random bits, in letters and digits that one click selects.
func newSecret() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails
	return Prefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
}

// hashOf needs no salt and no slow hash: nobody guesses 256 random bits.
func hashOf(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// name keeps log lines and metrics readable; it is a collection's pattern too.
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// check says what is wrong with an entry.
func (k Key) check() error {
	if !name.MatchString(k.Name) {
		return fmt.Errorf("key %q: a name has 1 to 64 letters, digits, dots, dashes and underlines, the first a letter or digit", k.Name)
	}
	if raw, err := hex.DecodeString(k.SHA256); err != nil || len(raw) != sha256.Size {
		return fmt.Errorf("key %s: sha256 must be 64 hex digits", k.Name)
	}
	for _, c := range k.Collections {
		if !name.MatchString(c) {
			return fmt.Errorf("key %s: %q cannot be a collection's name", k.Name, c)
		}
	}
	if err := index.CheckFilters(k.Filter); err != nil {
		return fmt.Errorf("key %s: read filter: %w", k.Name, err)
	}
	if k.Write && len(k.Filter) > 0 {
		return fmt.Errorf("key %s: write and a filter exclude each other: it could change what it may not see", k.Name)
	}
	if k.RPM < 0 || k.TPM < 0 || k.Concurrency < 0 {
		return fmt.Errorf("key %s: rpm, tpm and concurrency must not be below 0", k.Name)
	}
	return nil
}

package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Why a secret is refused.
var (
	ErrMissing = errors.New("no key was given")
	ErrUnknown = errors.New("the key is not known")
	ErrExpired = errors.New("the key has expired")
	ErrRevoked = errors.New("the key was revoked")
)

// Store is the keys that are in force; safe for concurrent use. A nil Store
// needs no key.
type Store struct {
	path string
	now  func() time.Time

	current atomic.Pointer[set]

	mu       sync.Mutex // of what follows: one reload at a time
	seen     os.FileInfo
	defaults Rates
	lastErr  string
}

// set is what one reading of the file gave.
type set struct {
	required bool // never false again once it was true
	clients  []*Client
}

// Open reads the keys file at path. There need not be one: then no key is
// needed until there is. A file that cannot be read or understood is an error.
func Open(path string) (*Store, error) {
	s := &Store{path: path, now: time.Now}
	s.current.Store(&set{})
	if _, err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Temporary is a store with one key that is in no file.
func Temporary(name string) (s *Store, secret string) {
	secret = newSecret()
	hash := hashOf(secret)
	s = &Store{now: time.Now}
	s.current.Store(&set{})
	s.publish([]Key{{Name: name, SHA256: hex.EncodeToString(hash[:])}})
	return s, secret
}

// Required says whether requests need a key: since there was one, be it
// expired or revoked.
func (s *Store) Required() bool { return s != nil && s.current.Load().required }

// Check finds the client of a secret. Without keys it gives nil and no error.
// All hashes are compared, each in constant time.
func (s *Store) Check(secret string) (*Client, error) {
	if !s.Required() {
		return nil, nil
	}
	if secret == "" {
		return nil, ErrMissing
	}
	hash := hashOf(secret)
	var found *Client
	for _, c := range s.current.Load().clients {
		if subtle.ConstantTimeCompare(hash[:], c.hash[:]) == 1 {
			found = c
		}
	}
	if found == nil {
		return nil, ErrUnknown
	}
	switch found.Status(s.now()) {
	case "expired":
		return nil, ErrExpired
	case "revoked":
		return nil, ErrRevoked
	}
	return found, nil
}

// SetDefaults gives the rates of keys that have none of their own.
func (s *Store) SetDefaults(r Rates) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.defaults = r
	old := s.current.Load()
	keys := make([]Key, len(old.clients))
	for i, c := range old.clients {
		keys[i] = c.Key
	}
	s.publish(keys)
}

// errGone is a file that vanished under a running server.
var errGone = errors.New("the keys file is gone: the keys that it held stay in force until the server ends")

// Reload reads the file again if it was replaced or changed; changed says
// whether it was. After an error what was in force stays so.
func (s *Store) Reload() (changed bool, err error) {
	if s.path == "" {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		if s.current.Load().required {
			s.seen = nil
			return false, errGone
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// Before the reading: a change during it is seen the next time.
	if s.seen != nil && os.SameFile(s.seen, info) && s.seen.ModTime().Equal(info.ModTime()) && s.seen.Size() == info.Size() {
		return false, nil
	}
	keys, err := read(s.path)
	if err != nil {
		return false, err
	}
	s.seen = info
	s.publish(keys)
	return true, nil
}

// publish keeps the meters of keys whose rates are the same: a reload is no
// fresh start.
func (s *Store) publish(keys []Key) {
	old := s.current.Load()
	next := &set{required: old.required || len(keys) > 0}
	for _, k := range keys {
		c := &Client{Key: k, meter: newMeter(k.rates(s.defaults))}
		hex.Decode(c.hash[:], []byte(k.SHA256)) // checked when it was read
		for _, o := range old.clients {
			if o.hash == c.hash && o.meter.rates == c.meter.rates {
				c.meter = o.meter
			}
		}
		next.clients = append(next.clients, c)
	}
	s.current.Store(next)
}

// every is how often Watch looks.
const every = time.Second

// Watch reloads the file as it changes, until ctx is done. Problems are
// logged once each.
func (s *Store) Watch(ctx context.Context, logger *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.Refresh(logger)
		}
	}
}

// Refresh is a Reload that logs what came of it.
func (s *Store) Refresh(logger *slog.Logger) {
	changed, err := s.Reload()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && err.Error() != s.lastErr:
		s.lastErr = err.Error()
		logger.Error("keys not reloaded, the old ones stay in force", "error", err)
	case err == nil:
		s.lastErr = ""
	}
	if changed {
		logger.Info("keys reloaded", "keys", len(s.current.Load().clients))
	}
}

// Client is who a request comes from. All methods can be called on nil: a
// client without a key, who may do everything.
type Client struct {
	Key
	hash  [sha256.Size]byte
	meter *Meter
}

// ID is the key's name, "" without a key.
func (c *Client) ID() string {
	if c == nil {
		return ""
	}
	return c.Name
}

// May says whether the client may search a collection.
func (c *Client) May(collection string) bool { return c == nil || c.Key.May(collection) }

// MayWrite says whether the client may change the documents of the collections
// that it may search.
func (c *Client) MayWrite() bool { return c == nil || c.Write && !c.Filtered() }

// Collection is what is searched where the client names nothing: the server's
// default if the client may search that, else the first of its own.
func (c *Client) Collection(fallback string) string {
	if c.May(fallback) || len(c.Collections) == 0 {
		return fallback
	}
	return c.Collections[0]
}

// Filters are the client's own filters and those of its key: both must hold.
func (c *Client) Filters(theirs map[string]any) map[string]any {
	if c == nil {
		return theirs
	}
	return Both(c.Filter, theirs)
}

// Filtered says whether the client sees but a part of its collections.
func (c *Client) Filtered() bool { return c != nil && len(c.Filter) > 0 }

// Meter counts what the client takes; nil where it has no limits.
func (c *Client) Meter() *Meter {
	if c == nil || c.meter.rates == (Rates{}) {
		return nil
	}
	return c.meter
}

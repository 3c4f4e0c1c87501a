package access

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// File is a keys file. Each method reads it anew; those that write take a
// lock beside it first, so that two commands lose nothing of each other's.
type File struct{ path string }

// NewFile names a keys file, which need not exist.
func NewFile(path string) File { return File{path} }

// Path is where the file is.
func (f File) Path() string { return f.path }

// content is the file's form. Revoked keys stay in it: a server that once had
// keys never opens because the last one was revoked.
type content struct {
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
}

const version = 1

// Keys lists what is in the file, in the order in which it was added; nothing
// if there is no file.
func (f File) Keys() ([]Key, error) {
	keys, err := read(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return keys, err
}

// Add writes a key with a new secret, which it returns: it is nowhere else.
// SHA256 and Created are filled in. A name that is taken is an error unless
// its key was revoked.
func (f File) Add(k Key) (secret string, err error) {
	secret = newSecret()
	hash := hashOf(secret)
	k.SHA256, k.Created = hex.EncodeToString(hash[:]), time.Now().UTC().Truncate(time.Second)
	if err := k.check(); err != nil {
		return "", err
	}
	err = f.change(func(keys []Key) ([]Key, error) {
		at := slices.IndexFunc(keys, func(old Key) bool { return old.Name == k.Name })
		switch {
		case at < 0:
			return append(keys, k), nil
		case keys[at].Revoked.IsZero():
			return nil, fmt.Errorf("key %s exists already: choose another name, or revoke it first", k.Name)
		}
		keys[at] = k
		return keys, nil
	})
	return secret, err
}

// Revoke ends a key.
func (f File) Revoke(name string) error {
	return f.change(func(keys []Key) ([]Key, error) {
		at := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no key %q", name)
		}
		if keys[at].Revoked.IsZero() {
			keys[at].Revoked = time.Now().UTC().Truncate(time.Second)
		}
		return keys, nil
	})
}

// lockPatience is how long a command waits for another one.
const lockPatience = 10 * time.Second

func (f File) change(edit func([]Key) ([]Key, error)) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return fmt.Errorf("make folder of keys: %w", err)
	}
	lock := flock.New(f.path + ".lock")
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	if ok, err := lock.TryLockContext(ctx, 20*time.Millisecond); !ok {
		return fmt.Errorf("lock keys file %s: %w", f.path, err)
	}
	defer lock.Unlock() // the file stays: to remove it would open a gap
	keys, err := f.Keys()
	if err != nil {
		return err // never write over a file that cannot be read
	}
	if keys, err = edit(keys); err != nil {
		return err
	}
	return write(f.path, keys)
}

// write replaces the file by a rename, so that a server sees the old or the
// new one.
func write(path string, keys []Key) error {
	raw, err := json.MarshalIndent(content{version, keys}, "", "  ")
	if err != nil {
		return fmt.Errorf("write keys file: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // 0600
	if err != nil {
		return fmt.Errorf("write keys file: %w", err)
	}
	_, err = tmp.Write(append(raw, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("write keys file: %w", err)
	}
	return nil
}

// maxFile bounds what is read: some 50,000 keys.
const maxFile = 16 << 20

func read(path string) ([]Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read keys file: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read keys file %s: %w", path, err)
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("read keys file %s: it is larger than %d MiB", path, maxFile>>20)
	}
	keys, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read keys file %s: %w", path, err)
	}
	return keys, nil
}

// parse refuses what it does not know: a misspelt "collections" would be a
// key for all of them.
func parse(raw []byte) ([]Key, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	var c content
	if err := dec.Decode(&c); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the JSON object")
	}
	if c.Version != version {
		return nil, fmt.Errorf("version is %d, want %d", c.Version, version)
	}
	seen := map[string]bool{}
	for _, k := range c.Keys {
		if err := k.check(); err != nil {
			return nil, err
		}
		if seen[k.Name] || seen[k.SHA256] {
			return nil, fmt.Errorf("key %s: its name or its sha256 is there twice", k.Name)
		}
		seen[k.Name], seen[k.SHA256] = true, true
	}
	return c.Keys, nil
}

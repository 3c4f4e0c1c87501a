package access

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	open := func() *Store {
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := open(); s.Required() {
		t.Error("got a key required without a file, want none")
	}
	if c, err := (*Store)(nil).Check("x"); c != nil || err != nil || !c.May("any") || c.ID() != "" || c.Meter() != nil {
		t.Errorf("got %v, %v from no store, want a client who may do everything", c, err)
	}
	f := NewFile(path)
	secrets := map[string]string{}
	for _, k := range []Key{{Name: "good"}, {Name: "old", Expires: time.Now().Add(-time.Second)}, {Name: "gone"}} {
		secret, err := f.Add(k)
		if err != nil {
			t.Fatal(err)
		}
		secrets[k.Name] = secret
	}
	if err := f.Revoke("gone"); err != nil {
		t.Fatal(err)
	}
	s := open()
	for _, tt := range []struct {
		secret string
		want   error
	}{
		{secrets["good"], nil}, {secrets["old"], ErrExpired}, {secrets["gone"], ErrRevoked}, {"", ErrMissing}, {"rp-x", ErrUnknown},
		{secrets["good"] + " ", ErrUnknown}, {strings.ToUpper(secrets["good"]), ErrUnknown}, {s.current.Load().clients[0].SHA256, ErrUnknown},
	} {
		if c, err := s.Check(tt.secret); !errors.Is(err, tt.want) || (err == nil) != (c != nil) {
			t.Errorf("%q: got %v, %v, want %v", tt.secret, c, err, tt.want)
		}
	}
	// The last key's end does not open the server.
	if err := f.Revoke("good"); err != nil {
		t.Fatal(err)
	}
	if !open().Required() {
		t.Error("got no key required with only revoked ones, want one")
	}
}

func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	f := NewFile(path)
	secret, err := f.Add(Key{Name: "a", RPM: 2})
	if err != nil {
		t.Fatal(err)
	}
	s.Refresh(logger)
	c, err := s.Check(secret)
	if err != nil {
		t.Fatalf("got %v, want the new key in force", err)
	}
	if err := c.Meter().Request(); err != nil {
		t.Fatal(err)
	}
	// Another key's coming is no fresh start for this one.
	if _, err := f.Add(Key{Name: "b"}); err != nil {
		t.Fatal(err)
	}
	s.Refresh(logger)
	c, _ = s.Check(secret)
	if left := c.Meter().Standings()[0].Remaining; left != 1 {
		t.Errorf("got %d requests left after a reload, want 1", left)
	}
	for _, damage := range []func() error{
		func() error { return os.WriteFile(path, []byte("{"), 0o600) },
		func() error { return os.Remove(path) },
		func() error { return os.WriteFile(path, []byte(`{"version":1,"keys":[{}]}`), 0o600) },
	} {
		log.Reset()
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			s.Refresh(logger)
		}
		if n := strings.Count(log.String(), "the old ones stay in force"); n != 1 {
			t.Errorf("got %d lines in %q, want one", n, &log)
		}
		if _, err := s.Check(secret); err != nil {
			t.Errorf("got %v after damage, want the old keys in force", err)
		}
	}
	// A whole file without keys does not open a server that had some.
	if err := os.WriteFile(path, []byte(`{"version":1,"keys":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Refresh(logger)
	if _, err := s.Check(secret); !errors.Is(err, ErrUnknown) || !s.Required() {
		t.Errorf("got %v, want the key unknown and one required", err)
	}
	if strings.Contains(log.String(), secret) {
		t.Errorf("the log tells the secret: %s", &log)
	}
}

func TestWatchSeesChangesInSeconds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := NewFile(path).Add(Key{Name: "a"}) // real time: its lock polls
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		go s.Watch(ctx, slog.New(slog.DiscardHandler))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, err := s.Check(secret); err != nil {
			t.Errorf("got %v after two seconds, want the key in force", err)
		}
		stop()
	})
}

func TestDamagedFileAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil {
		t.Error("got no error, want one: the server would be open")
	}
}

func TestTemporary(t *testing.T) {
	s, secret := Temporary("x")
	s.SetDefaults(Rates{RPM: 5})
	c, err := s.Check(secret)
	if err != nil || c.ID() != "x" || c.Meter().Standings()[0].Limit != 5 {
		t.Errorf("got %v, %v, want the client with the default rate", c, err)
	}
	if _, err := s.Reload(); err != nil || !s.Required() {
		t.Errorf("got %v, want nothing to read", err)
	}
}

func TestCollection(t *testing.T) {
	for _, tt := range []struct {
		may  []string
		want string
	}{{nil, "default"}, {[]string{"a", "default"}, "default"}, {[]string{"a", "b"}, "a"}, {[]string{}, "default"}} {
		if got := (&Client{Key: Key{Collections: tt.may}}).Collection("default"); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.may, got, tt.want)
		}
	}
}

func TestBoth(t *testing.T) {
	eq := map[string]any{"type": "eq", "key": "a", "value": 1}
	plain := map[string]any{"type": "x", "b": []any{1, 2}} // metadata called "type"
	for _, tt := range []struct{ a, b, want map[string]any }{
		{nil, nil, nil}, {eq, nil, eq}, {map[string]any{}, plain, plain},
		{eq, plain, map[string]any{"type": "and", "filters": []any{eq,
			map[string]any{"type": "in", "key": "b", "value": []any{1, 2}}, map[string]any{"type": "eq", "key": "type", "value": "x"}}}},
	} {
		got := Both(tt.a, tt.b)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("got other than want (-want +got):\n%s", diff)
		}
		if err := index.CheckFilters(got); err != nil {
			t.Errorf("the index cannot read %v: %v", got, err)
		}
	}
}

// TestWhoMayWrite: a key has to say so, and see all of what it may change.
func TestWhoMayWrite(t *testing.T) {
	file := NewFile(filepath.Join(t.TempDir(), "keys.json"))
	old, err := file.Add(Key{Name: "old"}) // as before there was the member
	if err != nil {
		t.Fatal(err)
	}
	writer, err := file.Add(Key{Name: "writer", Write: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Add(Key{Name: "both", Write: true, Filter: map[string]any{"public": true}}); err == nil {
		t.Error("got no error for a key that writes with a filter")
	}
	raw, err := os.ReadFile(file.Path())
	if err != nil || strings.Count(string(raw), `"write"`) != 1 {
		t.Errorf("got %s (%v), want the member once", raw, err)
	}
	store, err := Open(file.Path())
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]bool{old: false, writer: true} {
		client, err := store.Check(secret)
		if err != nil || client.MayWrite() != want {
			t.Errorf("%s: got %t, %v, want %t", client.ID(), client.MayWrite(), err, want)
		}
	}
	var nobody *Client
	if !nobody.MayWrite() {
		t.Error("got false without keys: the address decides there")
	}
}

package access

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAddListRevoke(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "keys.json")
	f := NewFile(path)
	if keys, err := f.Keys(); err != nil || keys != nil {
		t.Fatalf("got %v, %v without a file, want nothing", keys, err)
	}
	added := Key{Name: "alice", Collections: []string{"a", "b"}, RPM: 60, TPM: 1000, Filter: map[string]any{"lang": "en"}, Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}
	secret, err := f.Add(added)
	if err != nil || !strings.HasPrefix(secret, Prefix) || len(secret) != len(Prefix)+52 {
		t.Fatalf("got %q, %v, want a secret of 52 letters behind %s", secret, err, Prefix)
	}
	raw, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(raw), secret[len(Prefix):]) {
		t.Fatalf("got %s, %v, want a file without the secret", raw, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
	}
	if _, err := f.Add(Key{Name: "alice"}); err == nil {
		t.Error("got no error for a name that is taken, want one")
	}
	keys, err := f.Keys()
	if err != nil || len(keys) != 1 {
		t.Fatalf("got %v, %v, want one key", keys, err)
	}
	added.SHA256, added.Created = keys[0].SHA256, keys[0].Created
	if diff := cmp.Diff(added, keys[0]); diff != "" {
		t.Errorf("read other than written (-want +got):\n%s", diff)
	}
	if err := f.Revoke("bob"); err == nil {
		t.Error("got no error for a key that is not there, want one")
	}
	if err := f.Revoke("alice"); err != nil {
		t.Fatal(err)
	}
	if keys, err = f.Keys(); err != nil || keys[0].Status(time.Now()) != "revoked" {
		t.Errorf("got %v, %v, want it revoked", keys, err)
	}
	again, err := f.Add(Key{Name: "alice"})
	if keys, _ := f.Keys(); err != nil || again == secret || len(keys) != 1 || keys[0].Status(time.Now()) != "active" {
		t.Errorf("got %v, %v, want the revoked name to be free again", keys, err)
	}
}

// An empty list of collections is none, no list is all: neither becomes the
// other by being written.
func TestEmptyIsNotAll(t *testing.T) {
	f := NewFile(filepath.Join(t.TempDir(), "keys.json"))
	for _, k := range []Key{{Name: "none", Collections: []string{}}, {Name: "all"}} {
		if _, err := f.Add(k); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := f.Keys()
	if err != nil || keys[0].May("a") || !keys[1].May("a") {
		t.Errorf("got %v, %v, want nothing for the first and all for the second", keys, err)
	}
}

func TestSideBySide(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	var wg sync.WaitGroup
	for _, name := range strings.Split("a b c d e f g h", " ") {
		wg.Go(func() {
			if _, err := NewFile(path).Add(Key{Name: name}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if keys, err := NewFile(path).Keys(); err != nil || len(keys) != 8 {
		t.Errorf("got %d keys, %v, want all 8", len(keys), err)
	}
}

func TestDamagedFileIsNotWrittenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	hash := strings.Repeat("0", 64)
	for _, text := range []string{
		"", "{", "null", "[]", `{"version":2,"keys":[]}`, `{"version":1,"keys":[]} x`, `{"version":1,"keys":[{"name":"a","sha256":"00"}]}`,
		`{"version":1,"keys":[{"name":"a","sha256":"` + hash + `","colections":["x"]}]}`,
		`{"version":1,"keys":[{"name":"a","sha256":"` + hash + `","filter":{"type":"and","filters":[]}}]}`,
		`{"version":1,"keys":[{"name":"a","sha256":"` + hash + `","rpm":-1}]}`,
		`{"version":1,"keys":[{"name":"a","sha256":"` + hash + `","collections":["../x"]}]}`,
		`{"version":1,"keys":[{"name":"a","sha256":"` + hash + `"},{"name":"b","sha256":"` + hash + `"}]}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewFile(path).Add(Key{Name: "x"}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error that names the file", text, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s: got %s, %v, want it as it was", text, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"keys":[{"name":"a","sha256":"00","collections":[],"filter":{"a":[1]},"expires":"2030-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"version":1,"keys":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, err := parse(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(content{version, keys})
		if err != nil {
			t.Fatal(err)
		}
		back, err := parse(again)
		if err != nil || len(back) != len(keys) {
			t.Fatalf("got %v, %v after writing, want %v", back, err, keys)
		}
	})
}

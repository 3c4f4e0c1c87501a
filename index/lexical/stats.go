package lexical

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// stats is stats.json. Tokens is counted while indexing because zap does not
// keep the sum. The checksums (CRC-32C) are there because zap takes damaged
// files: it panics, or finds less in silence.
type stats struct {
	Engine    string            `json:"engine"`
	Documents int               `json:"documents"`
	Tokens    int               `json:"tokens"`
	Files     map[string]uint32 `json:"files"` // checksums of the postings' files
	Sum       uint32            `json:"sum"`   // checksum of all above, with 0 here
}

var errDamaged = errors.New("it is damaged: build the index again")

// seal fills in the checksums and returns the bytes of stats.json.
func (s *stats) seal(dir string) (_ []byte, err error) {
	s.Files = map[string]uint32{}
	if s.Documents > 0 {
		if s.Files[postingsFile], err = sumFile(filepath.Join(dir, postingsFile)); err != nil {
			return nil, err
		}
	}
	if s.Sum, err = s.sum(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(s)
	return append(b, '\n'), err
}

func (s stats) sum() (uint32, error) {
	s.Sum = 0
	b, err := json.Marshal(s)
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)), err
}

func sumFile(path string) (uint32, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(h, f); err != nil {
		return 0, err
	}
	return h.Sum32(), nil
}

// readStats reads stats.json and checks the postings.
func readStats(dir, engine string) (stats, error) {
	path := filepath.Join(dir, statsFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return stats{}, err
	}
	s, err := parseStats(b)
	if err != nil {
		return stats{}, fmt.Errorf("read %s: %w", path, err)
	}
	if s.Engine != engine {
		return stats{}, fmt.Errorf("%s is of engine %q, not %q: build the index again", path, s.Engine, engine)
	}
	for name, want := range s.Files {
		path := s.path(dir, name)
		got, err := sumFile(path)
		if err == nil && got != want {
			err = errDamaged
		}
		if err != nil {
			return stats{}, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return s, nil
}

// path is where a file of the stats lies.
func (s stats) path(dir, name string) string {
	if name == postingsFile {
		return filepath.Join(dir, name)
	}
	return filepath.Join(dir, oldFolder, name)
}

// parseStats takes only the very bytes that seal makes.
func parseStats(b []byte) (stats, error) {
	var s stats
	if json.Unmarshal(b, &s) != nil {
		return stats{}, errDamaged
	}
	again, err := json.Marshal(s)
	if err != nil {
		return stats{}, err
	}
	sum, err := s.sum()
	if err != nil || sum != s.Sum || !bytes.Equal(b, append(again, '\n')) || s.Documents < 0 || s.Tokens < 0 {
		return stats{}, errDamaged
	}
	for name := range s.Files {
		if name != filepath.Base(name) {
			return stats{}, errDamaged
		}
	}
	return s, nil
}

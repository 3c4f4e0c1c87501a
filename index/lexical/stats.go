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

// stats is stats.json. Tokens is counted while indexing because bleve knows
// only how many different words there are. The checksums (CRC-32C) are there
// because bleve takes damaged files: it panics, or finds less in silence.
type stats struct {
	Engine    string            `json:"engine"`
	Documents int               `json:"documents"`
	Tokens    int               `json:"tokens"`
	Files     map[string]uint32 `json:"files"` // checksums of the postings' files
	Sum       uint32            `json:"sum"`   // checksum of all above, with 0 here
}

var errDamaged = errors.New("it is damaged: build the index again")

// seal fills in the checksums and returns the bytes of stats.json.
func (s *stats) seal(postings string) (_ []byte, err error) {
	if s.Files, err = sumFiles(postings); err != nil {
		return nil, err
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

// sumFiles returns the checksum of each file in a folder, which need not exist.
func sumFiles(dir string) (map[string]uint32, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	sums := map[string]uint32{}
	for _, entry := range entries {
		if sums[entry.Name()], err = sumFile(filepath.Join(dir, entry.Name())); err != nil {
			return nil, err
		}
	}
	return sums, nil
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

// readStats reads stats.json and checks the files it speaks of.
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
		path := filepath.Join(dir, postingsFolder, name)
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
	return s, nil
}

package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
)

// Format is the number of the on-disk format that this build writes. A build
// reads every format up to its own and refuses later ones.
const Format = 1

// Manifest describes one generation. It is the last file written into it.
type Manifest struct {
	Format     int    `json:"format"`
	Generation int    `json:"generation"`
	Space      string `json:"space"` // embedding space, "model@dims"; "" while there are no chunks
	Dims       int    `json:"dims"`
	Splitter   string `json:"splitter"`
	Vector     string `json:"vector"`  // engine of the vector leg
	Keyword    string `json:"keyword"` // engine and analyzer of the keyword leg
	Documents  int    `json:"documents"`
	Chunks     int    `json:"chunks"`
	Files      []File `json:"files"` // every other file of the generation, by name
}

// File is one file of a generation, its name relative to the generation with
// forward slashes. CRC is CRC-32C (Castagnoli) of its bytes.
type File struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	CRC  uint32 `json:"crc32c"`
}

const (
	manifestFile = "manifest.json"
	currentFile  = "current"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readCurrent gives the folder name of the published generation;
// fs.ErrNotExist if nothing was ever published.
func readCurrent(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, currentFile))
	if err != nil {
		return "", err
	}
	name := string(b)
	if !generationName.MatchString(name) {
		return "", fmt.Errorf("read %s: %q names no generation: restore the file or index again", filepath.Join(dir, currentFile), name)
	}
	return name, nil
}

// lastGeneration gives the folder name of the last generation that was
// finished, published or not; "" if there is none.
func lastGeneration(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	last := ""
	for _, e := range entries {
		_, err := os.Stat(filepath.Join(dir, e.Name(), manifestFile))
		if generationName.MatchString(e.Name()) && err == nil && (len(e.Name()) > len(last) || e.Name() > last) {
			last = e.Name()
		}
	}
	return last
}

func readManifest(gen string) (Manifest, error) {
	path := filepath.Join(gen, manifestFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest: %w: %w", err, errDamaged)
	}
	m, err := parseManifest(b)
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest %s: %w", path, err)
	}
	// The next generation's name, and which ones are swept, follow from it.
	if generationDir(m.Generation) != filepath.Base(gen) {
		return Manifest{}, fmt.Errorf("read manifest %s: it is of generation %d: %w", path, m.Generation, errDamaged)
	}
	return m, nil
}

func parseManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", err, errDamaged)
	}
	if m.Format > Format { // before the checksum: a later format may have another
		return Manifest{}, fmt.Errorf("format %d is not known to this build (it reads up to %d): use a newer ragproxy", m.Format, Format)
	}
	at := bytes.LastIndex(b, []byte(sumKey))
	if m.Format < 1 || at < 0 || !bytes.Equal(b, sealManifest(b[:at])) {
		return Manifest{}, fmt.Errorf("its checksum differs: %w", errDamaged)
	}
	return m, nil
}

// sumKey begins the last member of the manifest, the CRC-32C of all bytes
// before it.
const sumKey = ",\n  \"crc32c\": "

// sealManifest ends a manifest, whose JSON comes without the closing brace.
func sealManifest(open []byte) []byte {
	return fmt.Appendf(slices.Clip(open), "%s%d\n}\n", sumKey, crc32.Checksum(open, castagnoli))
}

func writeManifest(gen string, m Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := writeFileSync(filepath.Join(gen, manifestFile), sealManifest(bytes.TrimSuffix(b, []byte("\n}")))); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

// sealFiles syncs every file below gen and lists it with its checksum.
func sealFiles(gen string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(gen, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return syncDir(path)
		}
		rel, err := filepath.Rel(gen, path)
		if err != nil {
			return err
		}
		f, err := checksumFile(path, true)
		f.Name = filepath.ToSlash(rel)
		files = append(files, f)
		return err
	})
	sort.Slice(files, func(i, j int) bool { return files[i].Name < files[j].Name })
	return files, err
}

func checksumFile(path string, sync bool) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	if sync {
		if err := f.Sync(); err != nil {
			return File{}, fmt.Errorf("sync %s: %w", path, err)
		}
	}
	h := crc32.New(castagnoli)
	n, err := io.Copy(h, f)
	return File{Size: n, CRC: h.Sum32()}, err
}

// writeFileSync writes a small file so that it is either the old or the new
// one after a crash: temporary name, sync, rename, sync of the folder.
func writeFileSync(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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

func readManifest(gen string) (Manifest, error) {
	var m Manifest
	path := filepath.Join(gen, manifestFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return m, fmt.Errorf("read manifest: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("read manifest %s: %w", path, err)
	}
	if m.Format < 1 || m.Format > Format {
		return m, fmt.Errorf("read manifest %s: format %d is not known to this build (it reads up to %d): use a newer ragproxy", path, m.Format, Format)
	}
	return m, nil
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

// checkSizes is the cheap half of a verification: it notices files that are
// missing or cut. [Verify] reads every byte.
func (m Manifest) checkSizes(gen string) error {
	for _, f := range m.Files {
		path := filepath.Join(gen, filepath.FromSlash(f.Name))
		st, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("open generation: %w", err)
		}
		if st.Size() != f.Size {
			return fmt.Errorf("open generation: %s has %d bytes, the manifest says %d: the index is damaged: restore it, or remove its folder and index again", path, st.Size(), f.Size)
		}
	}
	return nil
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

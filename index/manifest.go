package index

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"strings"
)

// Format is the number of the on-disk format that this build writes. A build
// reads every format up to its own and refuses later ones. Format 1 had no
// segments: a generation's own folder was the only one.
const Format = 2

// Manifest describes one generation. It is the last file written into it.
type Manifest struct {
	Format     int       `json:"format"`
	Generation int       `json:"generation"`
	Space      string    `json:"space"` // embedding space, "model@dims"; "" while there are no chunks
	Dims       int       `json:"dims"`
	Splitter   string    `json:"splitter"`
	Vector     string    `json:"vector"`    // engine of the vector leg
	Keyword    string    `json:"keyword"`   // engine and analyzer of the keyword leg
	Documents  int       `json:"documents"` // without the deleted ones
	Chunks     int       `json:"chunks"`    // without those of deleted documents
	Segments   []Segment `json:"segments"`  // in the order of their rows
	Files      []File    `json:"files"`     // every other file of the generation, by name
}

// Segment is what one run added to a collection, or a merge of such; it never
// changes. A document that is deleted stays in its segment until a merge; the
// generation's deleted.bin has it.
type Segment struct {
	Name      string `json:"name"` // its folder; "" for that of a generation of format 1
	Documents int    `json:"documents"`
	Chunks    int    `json:"chunks"`
	Deleted   int    `json:"deleted"` // how many of the documents are deleted
	Vector    string `json:"vector"`  // engine of its vector leg
	Files     []File `json:"files"`   // all of its files, by name
}

// File is one file, its name relative to the folder with forward slashes. CRC
// is CRC-32C (Castagnoli) of its bytes.
type File struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	CRC  uint32 `json:"crc32c"`
}

// Size is the number of bytes of all files that the generation needs.
func (m Manifest) Size() int64 {
	var sum int64
	for _, s := range m.Segments {
		for _, f := range s.Files {
			sum += f.Size
		}
	}
	for _, f := range m.Files {
		sum += f.Size
	}
	return sum
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (f folder) manifest(name string) (Manifest, error) {
	path := f.path(name, manifestFile)
	b, err := readFile(f.fs, path)
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest: %w", damage(err))
	}
	m, err := parseManifest(b)
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest %s: %w", path, err)
	}
	// The next generation's name, and which ones are swept, follow from it.
	if generationDir(m.Generation) != name {
		return Manifest{}, fmt.Errorf("read manifest %s: it is of generation %d: %w", path, m.Generation, errDamaged)
	}
	return m, nil
}

// parseManifest gives a manifest of format 1 as one of a single segment.
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
	if m.Format == 1 {
		m.Segments = []Segment{{Documents: m.Documents, Chunks: m.Chunks, Vector: m.Vector, Files: m.Files}}
		m.Files = nil
	}
	if err := m.check(); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", err, errDamaged)
	}
	return m, nil
}

// check refuses names that lead out of the folders, and numbers that cannot be.
func (m Manifest) check() error {
	if m.Documents < 0 || m.Chunks < 0 || m.Dims < 0 {
		return fmt.Errorf("it has %d documents, %d chunks, %d dimensions", m.Documents, m.Chunks, m.Dims)
	}
	if err := checkFiles(m.Files); err != nil {
		return err
	}
	known := map[string]bool{}
	for _, s := range m.Segments {
		if m.Format > 1 && !segmentName.MatchString(s.Name) || known[s.Name] {
			return fmt.Errorf("segment %q: not a name, or there twice", s.Name)
		}
		known[s.Name] = true
		if s.Documents < 0 || s.Chunks < 0 || s.Deleted < 0 || s.Deleted > s.Documents {
			return fmt.Errorf("segment %q has %d documents, %d of them deleted, and %d chunks", s.Name, s.Documents, s.Deleted, s.Chunks)
		}
		if err := checkFiles(s.Files); err != nil {
			return fmt.Errorf("segment %q: %w", s.Name, err)
		}
	}
	return nil
}

func checkFiles(files []File) error {
	known := map[string]bool{}
	for _, f := range files {
		if !fs.ValidPath(f.Name) || f.Name == "." || strings.ContainsAny(f.Name, "\\:\x00") || f.Size < 0 || known[f.Name] {
			return fmt.Errorf("file %q of %d bytes: not a file below its folder, or there twice", f.Name, f.Size)
		}
		known[f.Name] = true
	}
	return nil
}

// sumKey begins the last member of the manifest, the CRC-32C of all bytes
// before it.
const sumKey = ",\n  \"crc32c\": "

// sealManifest ends a manifest, whose JSON comes without the closing brace.
func sealManifest(open []byte) []byte {
	return fmt.Appendf(slices.Clip(open), "%s%d\n}\n", sumKey, crc32.Checksum(open, castagnoli))
}

func (m Manifest) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return sealManifest(bytes.TrimSuffix(b, []byte("\n}"))), err
}

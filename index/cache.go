package index

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
)

// embedCache keeps the vectors that the embedder gave to a run until the run
// is published, so that one that is killed goes on where it stopped. It is not
// synced: a power cut costs only embedding again.
//
// The file is a row of records: the text's key, the number of dimensions, the
// vector in little-endian float32, and the CRC-32C of all of it. What follows
// the first record that is not whole is not used, and written over.
type embedCache struct {
	home  folder
	name  string
	dims  int // of its records; 0 while there is none
	known map[key]int64
	in    FSFile         // nil if there was none
	out   io.WriteCloser // nil until something is appended
	end   int64          // of the whole records that were found
	size  int64          // of the file that was found
}

const maxDims = 1 << 16

// openCache opens the cache of a space; each has its own.
func openCache(home folder, space string) (*embedCache, error) {
	sum := keyOf(space)
	c := &embedCache{home: home, name: fmt.Sprintf("embedded-%x.cache", sum[:8]), known: map[key]int64{}}
	f, err := home.fs.Open(home.path(c.name))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open embedding cache: %w", err)
	}
	c.in = f
	if err := c.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("read embedding cache %s: %w", home.path(c.name), err), c.close())
	}
	return c, nil
}

func (c *embedCache) read() error {
	st, err := c.in.Stat()
	if err != nil {
		return err
	}
	c.size = st.Size()
	r := bufio.NewReaderSize(c.in, 1<<16)
	for {
		k, v, err := readCached(r)
		if err != nil || c.dims != 0 && len(v) != 4*c.dims {
			if err == io.EOF || err == io.ErrUnexpectedEOF || errors.Is(err, errDamaged) {
				err = nil // the rest is not used
			}
			return err
		}
		c.dims = len(v) / 4
		c.known[k] = c.end + cacheHead
		c.end += cacheHead + int64(len(v)) + 4
	}
}

const cacheHead = 20

// readCached reads one record; the vector comes in its bytes.
func readCached(r io.Reader) (key, []byte, error) {
	head := make([]byte, cacheHead)
	if _, err := io.ReadFull(r, head); err != nil {
		return key{}, nil, err
	}
	dims := binary.LittleEndian.Uint32(head[16:])
	if dims == 0 || dims > maxDims {
		return key{}, nil, errDamaged
	}
	b := make([]byte, 4*dims+4)
	if _, err := io.ReadFull(r, b); err != nil {
		return key{}, nil, err
	}
	v := b[:4*dims]
	sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, v)
	if sum != binary.LittleEndian.Uint32(b[4*dims:]) {
		return key{}, nil, errDamaged
	}
	return key(head[:16]), v, nil
}

// vector gives the vector of a text, or nil. *dims is what the collection has,
// or 0 while that is not known.
func (c *embedCache) vector(k key, dims *int) ([]float32, error) {
	at, ok := c.known[k]
	if !ok || *dims != 0 && *dims != c.dims {
		return nil, nil
	}
	b := make([]byte, 4*c.dims)
	if _, err := c.in.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("read embedding cache: %w", err)
	}
	*dims = c.dims
	v := make([]float32, c.dims)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v, nil
}

// append keeps vectors. What is not whole at the end of the file, or of
// another number of dimensions, goes first: the file is begun anew.
func (c *embedCache) append(keys []key, vectors [][]float32) error {
	if c.out == nil {
		if err := c.begin(len(vectors[0])); err != nil {
			return fmt.Errorf("write embedding cache: %w", err)
		}
	}
	var b []byte
	for i, v := range vectors {
		from := len(b)
		b = append(b, keys[i][:]...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, floatBytes(v)...)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
	}
	if _, err := c.out.Write(b); err != nil {
		return fmt.Errorf("write embedding cache: %w", err)
	}
	size := int64(len(b) / len(keys))
	for i, k := range keys {
		c.known[k] = c.end + int64(i)*size + cacheHead
	}
	c.end += int64(len(b))
	return nil
}

func (c *embedCache) begin(dims int) (err error) {
	path := c.home.path(c.name)
	if c.dims != dims {
		c.known, c.end, c.dims = map[key]int64{}, 0, dims
	}
	if c.end < c.size {
		if err := c.cut(path); err != nil {
			return err
		}
	}
	if c.out, err = c.home.fs.Append(path); err != nil {
		return err
	}
	if c.in != nil {
		c.in.Close() // only read from
	}
	c.in, err = c.home.fs.Open(path)
	return err
}

// cut copies the whole records into a file of their own.
func (c *embedCache) cut(path string) error {
	tmp, err := c.home.fs.Create(path + ".tmp")
	if err != nil {
		return err
	}
	_, err = io.Copy(tmp, io.NewSectionReader(c.in, 0, c.end))
	err = errors.Join(err, tmp.Close(), c.in.Close()) // closed: Windows replaces no open file
	c.in = nil
	if err != nil {
		return err
	}
	return c.home.fs.Rename(path+".tmp", path)
}

func (c *embedCache) close() error {
	if c == nil {
		return nil
	}
	var err error
	if c.in != nil {
		err = c.in.Close()
	}
	if c.out != nil {
		err = errors.Join(err, c.out.Close())
	}
	c.in, c.out = nil, nil
	return err
}

// remove ends a cache whose vectors are published.
func (c *embedCache) remove() error {
	return errors.Join(c.close(), c.home.fs.RemoveAll(c.home.path(c.name)))
}

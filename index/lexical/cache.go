package lexical

import "sync"

// cachedPostings bounds the postings that a searcher keeps decoded, 8 bytes
// each, in each of its two generations: 16 MB.
const cachedPostings = 1 << 20

// cache keeps the postings of the words asked for last. When the young
// generation is full it becomes the old one, and what was not asked for since
// is dropped. Safe for concurrent use; the zero value is empty.
type cache struct {
	mu         sync.Mutex
	young, old map[string][]posting
	size       int // of young
}

// get returns a word's postings, and whether they are known. They must not be
// changed.
func (c *cache) get(word []byte) ([]posting, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if list, ok := c.young[string(word)]; ok {
		return list, true
	}
	list, ok := c.old[string(word)]
	if ok {
		c.add(string(word), list)
	}
	return list, ok
}

func (c *cache) put(word []byte, list []posting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(string(word), list)
}

func (c *cache) add(word string, list []posting) {
	const entry = 16 // a word without postings takes room too
	if c.young == nil || c.size > cachedPostings {
		c.young, c.old, c.size = map[string][]posting{}, c.young, 0
	}
	c.young[word] = list
	c.size += len(list) + entry + len(word)/8
}

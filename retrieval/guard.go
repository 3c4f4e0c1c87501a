package retrieval

import (
	"iter"
	"slices"
	"strings"
	"sync"
)

// LinkGuard finds the links and images of an answer that only retrieved text
// can have brought into it. Such a link leads to a host that a passage names
// (or to a name below it, where a passage asks for data in the name), but it
// stands neither in what the client said nor is it a source's own address. On a
// host that the client or a source's address names, too, a link that carries no
// query and loads nothing counts only where a passage has it, or its beginning.
// LinkGuard tells and never edits.
//
// It serves one request and is not safe for concurrent use. A nil one finds
// nothing. The passages are not read before an answer has a link.
type LinkGuard struct {
	sources []Source
	said    map[string]bool // addresses of the client's and of the sources, by linkKey
	trusted map[string]bool // their hosts

	read  bool
	hosts map[string][]int       // to the numbers of the passages that name it
	links map[string][]namedLink // the passages' links, by host
}

type namedLink struct {
	key string
	n   int
}

// FlaggedLink is a link or an image of an answer. URL is as the answer has it,
// the first 1024 bytes; Image says that a client would fetch it by itself; Sources
// are the numbers of the passages that name it or its host, rising.
type FlaggedLink struct {
	URL     string
	Image   bool
	Sources []int
}

const (
	maxFlagged = 20     // links of an answer
	maxURL     = 1024   // bytes
	maxSaid    = 10_000 // links of the client's that are looked at
)

// NewLinkGuard reads the links (the first 10,000) in said, what the client wrote. It returns nil
// where there are no sources. It keeps sources and no text of said's.
func NewLinkGuard(sources []Source, said iter.Seq[string]) *LinkGuard {
	if len(sources) == 0 {
		return nil
	}
	g := &LinkGuard{sources: sources, said: map[string]bool{}, trusted: map[string]bool{}}
	left := maxSaid
	own := func(l link) bool {
		if key := linkKey(l.plain); !g.said[key] {
			g.said[strings.Clone(key)], g.trusted[strings.Clone(l.host)] = true, true
		}
		left--
		return left > 0
	}
	for _, s := range sources {
		if u := s.Chunk.URL; strings.Contains(u, "://") {
			own(link{u, u, hostOf(u), 0})
		}
	}
	for text := range said {
		if left > 0 {
			eachLink(text, true, own)
		}
	}
	return g
}

// Flag returns what is to be told of a whole answer, in its order, each link
// once, at most 20. It takes linear time.
func (g *LinkGuard) Flag(answer string) []FlaggedLink {
	if g == nil {
		return nil
	}
	var flagged []FlaggedLink
	seen := map[string]int{} // to its place in flagged
	images := sync.OnceValue(func() map[string]bool { return imageRefs(answer) })
	eachLink(answer, false, func(l link) bool {
		g.readPassages()
		key := linkKey(l.plain)
		if i, ok := seen[key]; ok {
			flagged[i].Image = flagged[i].Image || fetched(answer, l, images)
			return true
		}
		if len(flagged) == maxFlagged || g.said[key] || len(g.named(l.host)) == 0 {
			return true
		}
		image := fetched(answer, l, images)
		if from := g.from(l.host, key, image); len(from) > 0 {
			seen[key] = len(flagged)
			flagged = append(flagged, FlaggedLink{strings.ToValidUTF8(l.raw[:min(len(l.raw), maxURL)], ""), image, from})
		}
		return true
	})
	return flagged
}

// from are the passages that can have brought a link.
func (g *LinkGuard) from(host, key string, image bool) []int {
	if !g.trusted[host] || image || strings.Contains(key, "?") {
		return g.named(host)
	}
	var from []int
	for _, l := range g.links[host] {
		path := strings.ContainsAny(l.key, "/?")
		if (key == l.key || path && strings.HasPrefix(key, l.key)) && !slices.Contains(from, l.n) {
			from = append(from, l.n)
		}
	}
	return from
}

// named are the passages that name a host or a parent domain of it.
func (g *LinkGuard) named(host string) []int {
	for host != "" {
		if n := g.hosts[host]; len(n) > 0 {
			return n
		}
		_, parent, _ := strings.Cut(host, ".")
		if !strings.Contains(parent, ".") {
			return nil
		}
		host = parent
	}
	return nil
}

// readPassages reads what the model reads of the passages.
func (g *LinkGuard) readPassages() {
	if g.read {
		return
	}
	g.read, g.hosts, g.links = true, map[string][]int{}, map[string][]namedLink{}
	for _, s := range g.sources {
		host := func(name string) {
			if list := g.hosts[name]; !slices.Contains(list, s.N) {
				g.hosts[name] = append(list, s.N)
			}
		}
		for _, text := range []string{visible(s.Chunk.Title), visible(s.Chunk.Text)} {
			eachDomain(text, host)
			eachLink(text, true, func(l link) bool {
				host(l.host)
				g.links[l.host] = append(g.links[l.host], namedLink{linkKey(l.plain), s.N})
				return true
			})
		}
	}
}

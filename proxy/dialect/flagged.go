package dialect

import (
	"maps"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/retrieval"
)

// EventFlagged tells of links in the answer that only passages have. It is the
// one event that can come behind the answer's deltas.
const EventFlagged = "guard.flagged"

type flaggedJSON struct {
	Type   string            `json:"type"`
	Seq    int               `json:"seq"`
	Choice int               `json:"choice"`
	Links  []flaggedLinkJSON `json:"links"`
}

type flaggedLinkJSON struct {
	URL     string `json:"url"`
	Kind    string `json:"kind"` // "link" or "image"
	Sources []int  `json:"sources"`
	Choice  int    `json:"choice,omitempty"` // where links of several stand together
}

func flaggedLinks(found []retrieval.FlaggedLink, choice int) []flaggedLinkJSON {
	var out []flaggedLinkJSON
	for _, f := range found {
		kind := "link"
		if f.Image {
			kind = "image"
		}
		out = append(out, flaggedLinkJSON{f.URL, kind, f.Sources, choice})
	}
	return out
}

// flag looks at the whole answer of a choice, once, and tells what it finds.
// It is looked at as a whole because a link may come cut into any pieces.
func (c *core) flag(choice int) {
	if c.res == nil || c.res.Guard == nil || !c.withFlagged && !c.withSummary {
		return
	}
	found := c.res.Guard.Flag(c.answer(choice))
	if len(found) == 0 {
		return
	}
	c.flagged = append(c.flagged, flaggedLinks(found, choice)...)
	if c.withFlagged {
		c.seq++
		c.sink.Event(frame(c.req, "rag", marshal(flaggedJSON{EventFlagged, c.seq, choice, flaggedLinks(found, 0)})))
	}
}

// flagRest flags the choices that an upstream ended without a finish chunk.
func (c *core) flagRest() {
	for _, choice := range slices.Sorted(maps.Keys(c.answers)) {
		if !c.finished[choice] {
			c.finished[choice] = true
			c.flag(choice)
		}
	}
}

// within is as much of a list as takes at most max bytes of JSON.
func within(max int, list []flaggedLinkJSON) []flaggedLinkJSON {
	for len(list) > 0 && len(marshal(list)) > max {
		list = list[:len(list)/2]
	}
	return list
}

// flaggedIn are the flagged links of a whole answer's choices.
func flaggedIn(body []byte, guard *retrieval.LinkGuard) []flaggedLinkJSON {
	var list []flaggedLinkJSON
	if guard == nil {
		return nil
	}
	gjson.GetBytes(body, "choices").ForEach(func(_, choice gjson.Result) bool {
		list = append(list, flaggedLinks(guard.Flag(choice.Get("message.content").String()), int(choice.Get("index").Int()))...)
		return true
	})
	return list
}

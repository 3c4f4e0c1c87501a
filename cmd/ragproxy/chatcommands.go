package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const chatHelp = `  /help               these lines
  /sources [N]        the sources of the last answer; the whole text of [N]
  /collection [NAME]  search NAME from now on; list the collections
  /new                forget what was said
  /quit               end (or Ctrl-D)
A line that begins with a space is a question, whatever follows.`

// command runs a line that begins with a slash; it says whether the
// conversation is to end.
func (c *chat) command(ctx context.Context, line string) (end bool) {
	name, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	argument = strings.TrimSpace(argument)
	var err error
	switch name {
	case "/quit", "/exit":
		return true
	case "/help":
		fmt.Fprintln(c.out, chatHelp)
	case "/new":
		c.messages, c.last = nil, nil
		fmt.Fprintln(c.notes, "a new conversation")
	case "/sources":
		err = c.showSources(argument)
	case "/collection":
		err = c.useCollection(ctx, argument)
	default:
		err = fmt.Errorf("no command %s: /help lists them", name)
	}
	if err != nil {
		c.fail(err)
	}
	return false
}

func (c *chat) showSources(number string) error {
	if c.last == nil || len(c.last.sources) == 0 {
		return fmt.Errorf("there are no sources: the last answer has none")
	}
	if number == "" {
		return c.last.list()
	}
	n, err := strconv.Atoi(strings.Trim(number, "[]"))
	for _, source := range c.last.sources {
		if err == nil && source.Get("n").Int() == int64(n) {
			_, err := fmt.Fprintf(c.out, "%s\n%s\n\n", c.last.line(source), clean(source.Get("text").String()))
			return err
		}
	}
	return fmt.Errorf("there is no source %s: write a number from 1 to %d", number, len(c.last.sources))
}

func (c *chat) useCollection(ctx context.Context, name string) error {
	names, err := c.collections(ctx)
	if err != nil {
		return c.advise(ctx, err)
	}
	switch {
	case name == "":
		fmt.Fprintf(c.out, "collections: %s\n", listNames(names))
	case slices.Contains(names, name):
		c.collection = name
		fmt.Fprintf(c.notes, "collection %s\n", name)
	default:
		return fmt.Errorf("there is no collection %q (there is: %s): `ragproxy index SOURCE --collection %s` fills one", name, listNames(names), name)
	}
	return nil
}

package config

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Print writes the effective configuration as YAML, each value with its source
// as a comment. Secrets are shown by their last four characters at most.
func (c *Config) Print(w io.Writer) error {
	root := mapping()
	if c.file != "" {
		root.HeadComment = "file: " + c.file
	}
	for _, f := range leaves(c, "") {
		value, err := node(f)
		if err != nil {
			return fmt.Errorf("print %s: %w", f.key, err)
		}
		key := scalar(f.key)
		if value.Kind == yaml.ScalarNode || value.Style == yaml.FlowStyle {
			value.LineComment = c.Source(f.key)
		} else {
			key.LineComment = c.Source(f.key)
		}
		parent := root
		if section, last, ok := cutLast(f.key); ok {
			parent = child(root, section)
			key.Value = last
		}
		parent.Content = append(parent.Content, key, value)
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return fmt.Errorf("print config: %w", err)
	}
	return enc.Close()
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

func scalar(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// child is the section of that name; the tree has one level of them.
func child(root *yaml.Node, name string) *yaml.Node {
	if last := len(root.Content) - 2; last >= 0 && root.Content[last].Value == name {
		return root.Content[last+1]
	}
	section := mapping()
	root.Content = append(root.Content, scalar(name), section)
	return section
}

func node(f leaf) (*yaml.Node, error) {
	n := &yaml.Node{}
	switch v := f.field.(type) {
	case *string:
		n.SetString(shown(f, *v))
	case *time.Duration:
		n.SetString(v.String())
	case *Bytes:
		n.SetString(v.String())
	case *[]Alias:
		return aliasNodes(*v)
	case *[]string:
		list := slices.Clone(*v)
		for i := range list {
			list[i] = shown(f, list[i])
		}
		return flow(list)
	case *Events:
		return flow(*v)
	default:
		err := n.Encode(v)
		return n, err
	}
	return n, nil
}

func flow(list []string) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, item := range list {
		n.Content = append(n.Content, scalar(item))
	}
	return n, nil
}

func aliasNodes(aliases []Alias) (*yaml.Node, error) {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	if len(aliases) == 0 {
		list.Style = yaml.FlowStyle
	}
	for i := range aliases {
		section := mapping()
		for _, f := range leaves(&aliases[i], "") {
			value, err := node(f)
			if err != nil {
				return nil, fmt.Errorf("alias %d: %w", i, err)
			}
			if isUnset(f.field) {
				continue
			}
			section.Content = append(section.Content, scalar(f.key), value)
		}
		list.Content = append(list.Content, section)
	}
	return list, nil
}

func isUnset(field any) bool {
	switch v := field.(type) {
	case *string:
		return *v == ""
	case *int:
		return *v == 0
	case **bool:
		return *v == nil
	case *Events:
		return len(*v) == 0
	}
	return false
}

// shown is a value as others may see it.
func shown(f leaf, value string) string {
	switch f.secret {
	case "":
		return value
	case "url":
		return RedactURL(value)
	}
	return redact(value)
}

// RedactURL is a URL, of several hosts perhaps, for a person to know it by: its
// password, and the values behind a question mark, are left out. Of what is no
// URL it says only that it is there.
func RedactURL(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	switch {
	case raw == "":
		return ""
	case !ok:
		return "(set)"
	}
	user := ""
	// A password may hold anything, also what would end a host.
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		name, _, secret := strings.Cut(rest[:at], ":")
		if strings.ContainsAny(name, "/?") { // it stands behind the host
			return scheme + "://…"
		}
		if user = name + "@"; secret {
			user = name + ":…@"
		}
		rest = rest[at+1:]
	}
	rest, _, asked := strings.Cut(rest, "?")
	if asked {
		rest += "?…"
	}
	return scheme + "://" + user + rest
}

// URLPassword is the password that RedactURL leaves out between a URL's user
// and its host, "" if there is none.
func URLPassword(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return ""
	}
	_, password, _ := strings.Cut(rest[:at], ":")
	return password
}

// redact keeps the last four characters of a long key, enough to tell two keys
// apart.
func redact(secret string) string {
	switch {
	case secret == "":
		return ""
	case len(secret) < 16 || strings.ContainsFunc(secret, func(r rune) bool { return r > 126 }):
		return "(set)"
	}
	return "…" + secret[len(secret)-4:]
}

package load

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Limits of robots.txt (RFC 9309, 2.5 wants at least 500 KiB to be read), and
// of the pause that it may ask for.
const (
	maxRobotsBytes = 512 << 10
	maxRobotsRules = 5000
	maxRobotsDelay = 30 * time.Second
)

// robots are the rules that a host has for us.
type robots struct {
	rules []rule
	delay time.Duration
}

// rule allows or disallows the paths that match a pattern, in which * is
// anything and $ at its end the end.
type rule struct {
	pattern string
	allow   bool
}

// allow says whether a page may be asked for: the longest rule that matches
// decides, and of two as long the one that allows.
func (r *robots) allow(u *url.URL) bool {
	target := u.EscapedPath()
	if target == "" {
		target = "/"
	}
	if u.RawQuery != "" {
		target += "?" + u.RawQuery
	}
	target = unescaped(target)
	allow, longest := true, -1
	for _, rule := range r.rules {
		if length := len(rule.pattern); (length > longest || length == longest && rule.allow) && matches(rule.pattern, target) {
			allow, longest = rule.allow, length
		}
	}
	return allow
}

// matches says whether a pattern matches the beginning of a path.
func matches(pattern, target string) bool {
	pattern, whole := strings.CutSuffix(pattern, "$")
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(target, parts[0]) {
		return false
	}
	target = target[len(parts[0]):]
	if whole {
		last := parts[len(parts)-1]
		if len(parts) == 1 {
			return target == ""
		}
		if !strings.HasSuffix(target, last) {
			return false
		}
		target, parts = target[:len(target)-len(last)], parts[:len(parts)-1]
	}
	for _, part := range parts[1:] {
		i := strings.Index(target, part)
		if i < 0 {
			return false
		}
		target = target[i+len(part):]
	}
	return true
}

// unescaped makes paths comparable that are escaped differently; a slash that
// is escaped stays so.
func unescaped(path string) string {
	parts := strings.Split(path, "%2F")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = plain
		}
	}
	return strings.Join(parts, "%2F")
}

// readRobots asks the host for its rules (RFC 9309). A host that says it has
// none (4xx) allows everything; one that cannot say is an error.
func (c *crawl) readRobots(ctx context.Context) (*robots, error) {
	p, err := c.fetch.get(ctx, &url.URL{Scheme: c.scope.Scheme, Host: c.scope.Host, Path: "/robots.txt"}, Visit{})
	var status statusError
	var other errUnsupported
	switch {
	case errors.As(err, &status) && status.code >= 400 && status.code < 500, errors.As(err, &other):
		return &robots{}, nil
	case err != nil:
		return nil, err
	}
	return parseRobots(p.body, c.opts.UserAgent), nil
}

// parseRobots finds the rules for a user agent: those of all groups with its
// name (without a version), or else those for all.
func parseRobots(body []byte, agent string) *robots {
	if end := strings.IndexFunc(agent, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '-' || r == '_')
	}); end > 0 {
		agent = agent[:end]
	}
	var own, all robots
	var forUs, forAll, named, began bool // of the group that is read; named: of any group
	text := strings.ReplaceAll(string(body[:min(len(body), maxRobotsBytes)]), "\r", "\n")
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line, _, _ = strings.Cut(line, "#")
		key, value, found := strings.Cut(line, ":")
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		if !found {
			continue
		}
		if key == "user-agent" {
			if began {
				forUs, forAll, began = false, false, false
			}
			forUs = forUs || strings.EqualFold(value, agent)
			forAll = forAll || value == "*"
			named = named || forUs
			continue
		}
		began = began || key == "allow" || key == "disallow" || key == "crawl-delay"
		if forUs {
			own.add(key, value)
		}
		if forAll {
			all.add(key, value)
		}
	}
	if named {
		return &own
	}
	return &all
}

// add takes a line of a group.
func (r *robots) add(key, value string) {
	switch key {
	case "allow", "disallow":
		if value != "" && len(r.rules) < maxRobotsRules && len(value) <= maxLinkLength {
			r.rules = append(r.rules, rule{pattern: unescaped(value), allow: key == "allow"})
		}
	case "crawl-delay": // none of the RFC's, but in use
		if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 {
			r.delay = time.Duration(min(seconds, maxRobotsDelay.Seconds()) * float64(time.Second))
		}
	}
}

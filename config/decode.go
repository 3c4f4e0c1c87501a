package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// decode converts a value from a file (string, bool, a number type, list, map)
// or from the environment and the flags (always a string) into the field. It is
// stricter than viper's own decoding, which reads top_k: 3.7 as 3, keep_alive:
// 15 as 15 nanoseconds and splits lists by two different rules.
func decode(raw, field any) error {
	var err error
	switch p := field.(type) {
	case *string:
		err = into(p, raw, toString)
	case *int:
		err = into(p, raw, toInt)
	case *float64:
		err = into(p, raw, toFloat)
	case *bool:
		err = into(p, raw, toBool)
	case **bool:
		var b bool
		if err = into(&b, raw, toBool); err == nil {
			*p = &b
		}
	case *time.Duration:
		err = into(p, raw, toDuration)
	case *Bytes:
		err = into(p, raw, toBytes)
	case *[]string:
		err = into(p, raw, toList)
	case *Events:
		err = into(p, raw, toEvents)
	default:
		err = fmt.Errorf("has a type that no decoder knows: %T", field)
	}
	return err
}

func into[T any](p *T, raw any, convert func(any) (T, error)) error {
	v, err := convert(raw)
	if err == nil {
		*p = v
	}
	return err
}

func toString(raw any) (string, error) {
	switch v := raw.(type) {
	case string:
		return strings.TrimSpace(v), nil
	case int, int64, uint64: // model: 4 without quotes
		return fmt.Sprint(v), nil
	case bool, float64:
		return "", fmt.Errorf("must be text, got %v; put it in quotes", v)
	}
	return "", fmt.Errorf("must be text, got %s", kind(raw))
}

func toInt(raw any) (int, error) {
	switch v := raw.(type) {
	case int:
		return v, nil
	case int64:
		return int(v), nil
	case float64: // every number of a JSON file
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int(v), nil
		}
		return 0, fmt.Errorf("must be a whole number, got %v", v)
	case string:
		if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("must be a whole number, got %s", kind(raw))
}

func toFloat(raw any) (float64, error) {
	switch v := raw.(type) {
	case float64:
		return v, nil
	case int:
		return float64(v), nil
	case int64:
		return float64(v), nil
	case string:
		if f, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
			return f, nil
		}
	}
	return 0, fmt.Errorf("must be a number, got %s", kind(raw))
}

func toBool(raw any) (bool, error) {
	if b, ok := raw.(bool); ok {
		return b, nil
	}
	if s, ok := raw.(string); ok {
		switch strings.ToLower(strings.TrimSpace(s)) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
	}
	return false, fmt.Errorf("must be true or false, got %s", kind(raw))
}

func toDuration(raw any) (time.Duration, error) {
	if s, ok := raw.(string); ok {
		if d, err := time.ParseDuration(strings.TrimSpace(s)); err == nil {
			return d, nil
		}
	}
	if n, err := toInt(raw); err == nil {
		if n == 0 {
			return 0, nil
		}
		return 0, fmt.Errorf("needs a unit: write %ds for seconds, got %d", n, n)
	}
	return 0, fmt.Errorf("must be a duration such as 15s, got %s", kind(raw))
}

func toList(raw any) ([]string, error) {
	switch v := raw.(type) {
	case string:
		return splitList(v), nil
	case []string:
		return v, nil
	case []any:
		var out []string
		for i, item := range v {
			s, err := toString(item)
			if err != nil {
				return nil, fmt.Errorf("item %d %w", i+1, err)
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, fmt.Errorf("must be a list, got %s", kind(raw))
}

func splitList(s string) []string {
	var out []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

func toEvents(raw any) (Events, error) {
	switch raw {
	case false, "false":
		return Events{"none"}, nil
	case true, "true":
		return nil, errors.New("must be a list of events, all or false, got true")
	}
	list, err := toList(raw)
	return Events(list), err
}

// toMaps reads a list of sections; from the environment it is JSON.
func toMaps(raw any) ([]map[string]any, error) {
	if s, ok := raw.(string); ok {
		var parsed any
		if err := json.Unmarshal([]byte(s), &parsed); err != nil {
			return nil, fmt.Errorf("must be a JSON list of objects here: %w", err)
		}
		raw = parsed
	}
	list, ok := raw.([]any)
	if !ok {
		// TOML's [[aliases]] arrives as []map[string]any in some versions.
		if maps, ok := raw.([]map[string]any); ok {
			return maps, nil
		}
		return nil, fmt.Errorf("must be a list, got %s", kind(raw))
	}
	out := make([]map[string]any, 0, len(list))
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("item %d must be a section with keys, got %s", i+1, kind(item))
		}
		out = append(out, m)
	}
	return out, nil
}

// kind describes a value for an error. Text is cut: it may be anything.
func kind(raw any) string {
	switch v := raw.(type) {
	case nil:
		return "nothing"
	case string:
		if r := []rune(v); len(r) > 40 {
			v = string(r[:40]) + "…"
		}
		return strconv.Quote(v)
	case bool, int, int64, uint64, float64:
		return fmt.Sprint(v)
	case []any, []string, []map[string]any:
		return "a list"
	case map[string]any, map[any]any:
		return "a section"
	}
	return fmt.Sprintf("a value of type %T", raw)
}

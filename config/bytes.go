package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes, written as a number or with a unit: 64MiB (1024 *
// 1024) or 64MB (1000 * 1000).
type Bytes int64

// Sizes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// String is the size with the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range []struct {
		name string
		size Bytes
	}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}} {
		if b != 0 && b%u.size == 0 {
			return fmt.Sprintf("%d%s", b/u.size, u.name)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

func toBytes(raw any) (Bytes, error) {
	if s, ok := raw.(string); ok {
		return parseBytes(s)
	}
	n, err := toInt(raw)
	if err != nil {
		return 0, fmt.Errorf("must be a size such as 64MiB or a number of bytes, got %s", kind(raw))
	}
	return Bytes(n), nil
}

func parseBytes(s string) (Bytes, error) {
	s = strings.TrimSpace(s)
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit, ok := unitSize(s[len(digits):])
	if !ok || (err != nil && !errors.Is(err, strconv.ErrRange)) {
		return 0, fmt.Errorf("must be a size such as 64MiB, 64MB or a number of bytes, got %s", kind(s))
	}
	if err != nil || n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, fmt.Errorf("is too large: %s", kind(s))
	}
	return Bytes(n * unit), nil
}

func unitSize(unit string) (int64, bool) {
	switch strings.ToLower(strings.TrimSpace(unit)) {
	case "", "b":
		return 1, true
	case "kb", "k":
		return 1e3, true
	case "mb", "m":
		return 1e6, true
	case "gb", "g":
		return 1e9, true
	case "kib", "ki":
		return 1 << 10, true
	case "mib", "mi":
		return 1 << 20, true
	case "gib", "gi":
		return 1 << 30, true
	}
	return 0, false
}

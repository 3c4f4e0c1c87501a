package config

import "testing"

func TestRedactURL(t *testing.T) {
	for raw, want := range map[string]string{
		"":                               "",
		"postgres://h/d":                 "postgres://h/d",
		"postgres://u@h/d":               "postgres://u@h/d",
		"postgres://u:secret@h:1,g:2/d":  "postgres://u:…@h:1,g:2/d",
		"postgres://u:se@cr?et@h/d":      "postgres://u:…@h/d",
		"postgres://u:sec/ret@h/d":       "postgres://u:…@h/d",
		"postgres://h/d?password=secret": "postgres://h/d?…",
		"postgres://h/d?user=u@secret":   "postgres://…",
		"host=h password=secret":         "(set)",
	} {
		if got := RedactURL(raw); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

func TestURLPassword(t *testing.T) {
	for raw, want := range map[string]string{
		"": "", "postgres://h:1/d": "", "postgres://u@h:1/d": "", "postgres://u:secret@h:1,g:2/d": "secret", "postgres://u:se@c%72et@h/d": "se@c%72et",
	} {
		if got := URLPassword(raw); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

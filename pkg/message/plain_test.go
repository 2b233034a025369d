package message

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		max   int
		mark  string
		bytes string
		runes string
	}{
		{"abc", 3, "…", "abc", "abc"},
		{"abcd", 3, "…", "…", "ab…"},
		{"磁盘空间不足", 10, "…", "磁盘…", "磁盘空间不足"},
		{"磁盘空间不足", 4, "…", "…", "磁盘空…"},
		{"磁盘空间不足", 2, "…", "", "磁…"},
		{"abcdef", 5, "[cut]", "[cut]", "[cut]"},
		{"abcdef", 4, "[cut]", "abcd", "abcd"},
		{"", 0, "…", "", ""},
	} {
		if got := Cut(tt.text, tt.max, tt.mark); got != tt.bytes || len(got) > tt.max {
			t.Errorf("Cut(%q, %d, %q) = %q, want %q", tt.text, tt.max, tt.mark, got, tt.bytes)
		}
		if got := CutRunes(tt.text, tt.max, tt.mark); got != tt.runes || utf8.RuneCountInString(got) > tt.max {
			t.Errorf("CutRunes(%q, %d, %q) = %q, want %q", tt.text, tt.max, tt.mark, got, tt.runes)
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                 "plain",
		"磁盘 🔥":                  "磁盘 🔥",
		"a\nb\tc\r\nd":          "a b c  d",
		"a\u202egnp.exe":        `a\u202egnp.exe`,
		"zero\u200bwidth\ufeff": `zero\u200bwidth\ufeff`,
		"\x1b[31mred\x00":       `\u001b[31mred\u0000`,
		"bad \xff\xfe utf8":     "bad \ufffd\ufffd utf8",
		"👩\u200d🚒":              "👩\u200d🚒",
		"tag\U000E0041":         `tag\ue0041`,
	} {
		if got := Plain(text); got != want {
			t.Errorf("Plain(%q) = %q, want %q", text, got, want)
		}
	}
	if got, want := PlainLines("a\r\nb\tc\nd\u202e"), "a\nb c\nd\\u202e"; got != want {
		t.Errorf("PlainLines = %q, want %q", got, want)
	}
}

func FuzzCut(f *testing.F) {
	f.Add("磁盘空间不足", 7)
	f.Add("abc", 0)
	f.Fuzz(func(t *testing.T, text string, max int) {
		if max < 0 || !utf8.ValidString(text) {
			return
		}
		for _, got := range []string{Cut(text, max, "…"), CutRunes(text, max, "…")} {
			if !utf8.ValidString(got) {
				t.Fatalf("cut inside a character: %q", got)
			}
			if !strings.HasPrefix(text, strings.TrimSuffix(got, "…")) && got != text {
				t.Fatalf("%q is not the beginning of %q", got, text)
			}
		}
		if got := Plain(text); strings.ContainsFunc(got, hides) || !utf8.ValidString(got) {
			t.Fatalf("Plain left something hidden: %q", got)
		}
	})
}

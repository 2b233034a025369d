package message

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Cut shortens the text to at most limit bytes, the mark included, never inside a character. A text that fits is returned as it is.
func Cut(text string, limit int, mark string) string {
	if len(text) <= limit {
		return text
	}
	if len(mark) > limit {
		mark = ""
	}
	end := limit - len(mark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}

// CutRunes is Cut counted in characters (code points).
func CutRunes(text string, limit int, mark string) string {
	if len(text) <= limit || utf8.RuneCountInString(text) <= limit {
		return text
	}
	keep := limit - utf8.RuneCountInString(mark)
	if keep < 0 {
		mark, keep = "", limit
	}
	for i := range text {
		if keep == 0 {
			return text[:i] + mark
		}
		keep--
	}
	return text
}

// Plain makes text that came from outside safe to show as one line: invalid UTF-8 is replaced, line ends and tabs become spaces, and
// characters that hide or reorder others (controls, bidirectional overrides, invisible marks) are written out, as in "\u202e".
func Plain(text string) string { return clean(text, func(rune) bool { return false }) }

// PlainLines is Plain that keeps line ends.
func PlainLines(text string) string {
	return clean(strings.ReplaceAll(text, "\r\n", "\n"), func(r rune) bool { return r == '\n' })
}

func clean(text string, keep func(rune) bool) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || hides(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case keep(r):
			b.WriteRune(r)
		case r == '\n' || r == '\t' || r == '\r' || r == '\u2028' || r == '\u2029':
			b.WriteByte(' ')
		case hides(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hides reports whether a character is not seen itself or changes how others are seen. The joiners U+200C and U+200D stay: scripts and
// emoji need them.
func hides(r rune) bool {
	if r == '\u200c' || r == '\u200d' {
		return false
	}
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' || (r >= 0xE0000 && r <= 0xE007F)
}

package plugin

import "strings"

// tokenKind says what a token of PromQL is.
type tokenKind uint8

const (
	other  tokenKind = iota // one character of punctuation or of an operator
	name                    // a metric, label, function or keyword
	number                  // a number or a duration
	text                    // a quoted string
)

// token is one word of PromQL, beginning at byte at.
type token struct {
	kind tokenKind
	text string
	at   int
}

// scan splits PromQL into tokens and drops comments and white space. It knows just enough not to take what stands in strings, label values
// and comments for code; the grammar is the server's affair. It accepts any text.
func scan(expr string) []token {
	var toks []token
	for i := 0; i < len(expr); {
		c := expr[i]
		start := i
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '#':
			// To the end of the line, or of the text.
			n := strings.IndexAny(expr[i:], "\r\n")
			if n < 0 {
				return toks
			}
			i += n
			continue
		case c == '"' || c == '\'' || c == '`':
			i = endOfString(expr, i)
			toks = append(toks, token{text, expr[start:i], start})
		case letter(c) || c == ':':
			for i < len(expr) && (letter(expr[i]) || digit(expr[i]) || expr[i] == ':') {
				i++
			}
			toks = append(toks, token{name, expr[start:i], start})
		case digit(c):
			for i < len(expr) && (letter(expr[i]) || digit(expr[i]) || expr[i] == '.') {
				i++
			}
			toks = append(toks, token{number, expr[start:i], start})
		default:
			i++
			toks = append(toks, token{other, expr[start:i], start})
		}
	}
	return toks
}

// endOfString returns the index after the string that begins at i; the end of the text when it is not closed.
func endOfString(expr string, i int) int {
	quote := expr[i]
	for i++; i < len(expr); i++ {
		switch expr[i] {
		case quote:
			return i + 1
		case '\\':
			if quote != '`' {
				i++
			}
		}
	}
	return len(expr)
}

func letter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

package logs

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"
)

// secret reports whether what comes next is the value of a key that names a secret: such a value is always masked, whatever it looks like.
func (l *lexer) secret() bool {
	if l.named == 0 || l.named > len(l.key) {
		return false
	}
	for _, c := range l.key[l.named:] {
		if !quoting(c) {
			return false
		}
	}
	return true
}

// sign notes whether the key before the sign = or : that was just copied names a secret: asked once for a sign and not for every word behind it.
func (l *lexer) sign() {
	n := len(l.key) - 1
	for n > 0 && quoting(l.key[n-1]) {
		n--
	}
	start := n
	for start > 0 && n-start < 40 && classes[l.key[start-1]] < cDelim && l.key[start-1] > maybe {
		start--
	}
	l.named = 0
	if namesSecret(l.key[start:n]) {
		l.named = len(l.key)
	}
}

func quoting(c byte) bool { return c == ' ' || c == '"' || c == '\'' || c == '\\' }

// secretEnd returns where the value of a secret ends that begins at i, spaces and delimiters within it included: the closing quote, or the end of the
// word, with the word before it that only names the scheme, and with all further cookies.
func (l *lexer) secretEnd(i int) int {
	if q := l.key[len(l.key)-1]; q == '"' || q == '\'' {
		return l.closing(i, q)
	}
	if l.line[i] == '\\' && i+1 < len(l.line) && l.line[i+1] == '"' { // JSON within JSON
		if k := bytes.Index(l.line[i+2:], []byte(`\"`)); k >= 0 {
			return i + 2 + k
		}
		return len(l.line)
	}
	j := l.valueEnd(i)
	if names(l.line[i:j], "bearer", "basic", "digest", "negotiate") {
		k := j
		for k < len(l.line) && classes[l.line[k]] == cSpace {
			k++
		}
		if k > j && k < len(l.line) {
			if end := l.valueEnd(k); end > k {
				j = end
			}
		}
	}
	for j < len(l.line) && l.line[j] == ';' { // a=b; c=d
		k := j + 1
		for k < len(l.line) && l.line[k] == ' ' {
			k++
		}
		end := l.valueEnd(k)
		if bytes.IndexByte(l.line[k:end], '=') <= 0 {
			break
		}
		j = end
	}
	return j
}

// closing returns where the quote q stands that closes what begins at i, the end of the line if none does.
func (l *lexer) closing(i int, q byte) int {
	for ; i < len(l.line) && l.line[i] != q; i++ {
		if l.line[i] == '\\' {
			i++
		}
	}
	return min(i, len(l.line))
}

func (l *lexer) valueEnd(i int) int {
	for i < len(l.line) && classes[l.line[i]] != cSpace && bytes.IndexByte([]byte(`,;&"')}]`), l.line[i]) < 0 {
		i++
	}
	return i
}

// bearer masks what follows the name of a scheme that stands without a key, from i to j, and returns where that ends; 0 for none.
func (l *lexer) bearer(i, j, limit int) int {
	if j+1 >= limit || l.line[j] != ' ' || !names(l.line[i:j], "bearer", "basic") {
		return 0
	}
	end := j + 1
	for end < limit && (classes[l.line[end]] < cDelim || l.line[end] == '=') {
		end++
	}
	if !credential(l.line[j+1 : end]) {
		return 0
	}
	l.key = append(append(l.key, l.line[i:j]...), ' ')
	l.hole(j+1, end, KindText)
	return end
}

func names(w []byte, schemes ...string) bool {
	if len(w) < 5 || len(w) > 9 {
		return false
	}
	for _, s := range schemes {
		if fold(w, s) {
			return true
		}
	}
	return false
}

// credential tells a token from a word of a sentence: eight bytes or more, and sixteen of letters alone.
func credential(w []byte) bool {
	if len(w) < 8 {
		return false
	}
	for i, c := range w {
		if !(c >= 'a' && c <= 'z' || i == 0 && c >= 'A' && c <= 'Z' || i == len(w)-1 && c == '.') {
			return true
		}
	}
	return len(w) >= 16
}

// isJWT recognises a JSON web token by its beginning, {" in base64.
func isJWT(w []byte) bool { return len(w) >= 11 && string(w[:3]) == "eyJ" }

// namesSecret recognises the keys whose values nobody should read.
func namesSecret(key []byte) bool {
	if len(key) < 3 || len(key) > 40 {
		return false
	}
	n := len(key)
	switch string([]byte{key[n-3] | 0x20, key[n-2] | 0x20, key[n-1] | 0x20}) { // most keys end here
	case "ord", "swd", "pwd", "ase", "ret", "key", "ken", "ial", "als", "ion", "kie":
	default:
		return false
	}
	var buf [40]byte
	for i, c := range key {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	k := string(buf[:len(key)])
	for _, s := range secrets {
		if strings.HasSuffix(k, s) {
			return true
		}
	}
	return false
}

var secrets = []string{
	"password", "passwd", "pwd", "passphrase", "secret", "secret_key", "secretkey", "api_key", "apikey", "api-key", "access_key", "accesskey", "private_key", "privatekey",
	"token", "credential", "credentials", "authorization", "cookie", "session_key",
}

var (
	cookies     = regexp.MustCompile(`(?i)\b((?:set-)?cookie["']?\s*[=:]\s*["']?)([^"'\s;]+(?:;\s*[^"'\s;=]+=[^"'\s;]*)*)`)
	secretValue = regexp.MustCompile(`(?i)\b([a-z0-9_.-]*(?:password|passwd|pwd|passphrase|secret|secret[_-]?key|api[_-]?key|access[_-]?key|private[_-]?key|` +
		`token|credentials?|authorization|cookie|session_key)\\*["']?\s*[=:]\s*)` +
		`((?:(?:bearer|basic|digest|negotiate)\s+)?(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|\\+"[^"\\]*|[^\s,;&"')}\]]+))`)
	bearer   = regexp.MustCompile(`(?i)\b((?:bearer|basic)\s+)([A-Za-z0-9+/_.=~-]{8,})`)
	behind   = regexp.MustCompile(`(?i)(authorization["']?\s*[=:]\s*["']?<\*>\s+)([A-Za-z0-9+/_.=~-]{16,})`) // in a text that an earlier version masked
	userinfo = regexp.MustCompile(`(://[^/\s:@]*:)([^/\s@]+)@`)
	jwt      = regexp.MustCompile(`()\b(eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){0,2})`)
	pem      = regexp.MustCompile(`()(-----BEGIN [A-Z ]*PRIVATE KEY-----.*)`)
)

// maxExample is how much of an example line is kept.
const maxExample = 512

// Redact returns the line for people to read, of at most 512 bytes: valid UTF-8, without control characters, and without what looks like a secret.
func Redact(line []byte) string {
	if len(line) > 2*maxExample {
		line = line[:2*maxExample]
	}
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(line), "\uFFFD"))
	s = redact(s)
	if len(s) > maxExample {
		n := maxExample
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return s
}

// redact replaces what looks like a secret, in a line or in the text of a template: the places of a template stay.
func redact(s string) string {
	for _, re := range []*regexp.Regexp{pem, cookies, secretValue, behind, userinfo, jwt} {
		s = replaceValue(re, s, visible)
	}
	return replaceValue(bearer, s, func(v string) bool { return credential([]byte(v)) })
}

// visible reports whether a value is more than places and delimiters.
func visible(v string) bool {
	return strings.ContainsFunc(strings.ReplaceAll(v, "<*>", ""), func(r rune) bool { return r > 0x7f || r != '\\' && classes[byte(r)] <= cDigit })
}

// replaceValue replaces the second group of every match that is to go.
func replaceValue(re *regexp.Regexp, s string, gone func(string) bool) string {
	var b strings.Builder
	from := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		if gone(s[m[4]:m[5]]) {
			b.WriteString(s[from:m[4]])
			b.WriteString("***")
			from = m[5]
		}
	}
	if from == 0 {
		return s
	}
	b.WriteString(s[from:])
	return b.String()
}

package logs

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// secret reports whether what comes next is the value of a key that names a secret: such a value is always masked, whatever it looks like.
func (l *lexer) secret() bool {
	n := len(l.key)
	if n < 4 {
		return false
	}
	switch l.key[n-1] {
	case '=', ':':
	case ' ', '"', '\'':
		if c := l.key[n-2]; c != '=' && c != ':' && c != ' ' && c != '"' {
			return false
		}
	default:
		return false
	}
	for n > 0 && (l.key[n-1] == ' ' || l.key[n-1] == '"' || l.key[n-1] == '\'') {
		n--
	}
	if n < 4 || l.key[n-1] != '=' && l.key[n-1] != ':' {
		return false
	}
	for n--; n > 0 && (l.key[n-1] == '"' || l.key[n-1] == '\'' || l.key[n-1] == ' '); {
		n--
	}
	start := n
	for start > 0 && classes[l.key[start-1]] < cDelim && l.key[start-1] > maybe {
		start--
	}
	return namesSecret(l.key[start:n])
}

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
	secretValue = regexp.MustCompile(`(?i)\b([a-z0-9_.-]*(?:password|passwd|pwd|passphrase|secret|secret[_-]?key|api[_-]?key|access[_-]?key|private[_-]?key|token|credentials?|authorization|cookie|session_key))(["']?\s*[=:]\s*)(?:(?:bearer|basic|digest)\s+)?("[^"]*"?|'[^']*'?|[^\s,;&"')}\]]+)`)
	bearer      = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9+/_.=-]{8,}`)
	userinfo    = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`)
	jwt         = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){0,2}`)
	pem         = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----.*`)
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
	s = pem.ReplaceAllString(s, "***")
	s = secretValue.ReplaceAllString(s, "$1$2***")
	s = bearer.ReplaceAllString(s, "$1 ***")
	s = userinfo.ReplaceAllString(s, "$1***@")
	s = jwt.ReplaceAllString(s, "***")
	if len(s) > maxExample {
		n := maxExample
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return s
}

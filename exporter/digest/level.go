package digest

import "bytes"

// Level is how bad a message says it is.
type Level uint8

// The levels, the worst first.
const (
	Fatal Level = iota
	Error
	Warn
	Info
	Debug
	Trace
	Unknown
	numLevels
)

var levelNames = [numLevels]string{"fatal", "error", "warn", "info", "debug", "trace", "unknown"}

func (l Level) String() string { return levelNames[l] }

// Levels lists them all.
func Levels() []Level { return []Level{Fatal, Error, Warn, Info, Debug, Trace, Unknown} }

// levelNamed reads the name of a level, in any case and with the usual short forms, or a severity of syslog (0 to 7).
func levelNamed(b []byte) Level {
	var low [9]byte
	if len(b) == 0 || len(b) > len(low) {
		return Unknown
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		low[i] = c
	}
	switch string(low[:len(b)]) {
	case "emerg", "emergency", "alert", "crit", "critical", "fatal", "panic", "dpanic", "0", "1", "2":
		return Fatal
	case "error", "err", "severe", "eror", "3":
		return Error
	case "warn", "warning", "4":
		return Warn
	case "info", "notice", "inf", "5", "6":
		return Info
	case "debug", "dbug", "dbg", "fine", "7":
		return Debug
	case "trace", "finer", "finest", "trc":
		return Trace
	}
	return Unknown
}

// head is how much of a message is searched for its level: it stands before the text proper.
const head = 200

// levelOf finds the level in a message that was not taken apart: <3> of syslog, W0102 of klog, level=warn, or the first word that is the name of a
// level and stands like one: in capitals, in brackets, between tabs, or before a colon at the beginning.
func levelOf(b []byte) Level {
	if len(b) > head {
		b = b[:head]
	}
	if len(b) >= 3 && b[0] == '<' {
		if l, ok := priority(b[1:]); ok {
			return l
		}
	}
	if len(b) >= 5 && digits(b[1:5]) {
		switch b[0] {
		case 'F':
			return Fatal
		case 'E':
			return Error
		case 'W':
			return Warn
		case 'I':
			return Info
		}
	}
	for i := 0; i < len(b); {
		if !letter(b[i]) {
			i++
			continue
		}
		j := i
		for j < len(b) && letter(b[j]) {
			j++
		}
		if l := levelNamed(b[i:j]); l != Unknown && stands(b, i, j) {
			return l
		}
		i = j
	}
	return Unknown
}

// priority reads the number of <14> and takes the severity out of it.
func priority(b []byte) (Level, bool) {
	n := 0
	for i, c := range b[:min(len(b), 4)] {
		if c == '>' && i > 0 && n < 192 {
			return levelNamed([]byte{'0' + byte(n&7)}), true
		}
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return Unknown, false
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func digits(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < '0' || r > '9' })
}

// stands reports whether the word b[i:j], the name of a level, stands where one does.
func stands(b []byte, i, j int) bool {
	before, after := byte(' '), byte(' ')
	if i > 0 {
		before = b[i-1]
	}
	if j < len(b) {
		after = b[j]
	}
	if word(before) || word(after) {
		return false
	}
	upper := !bytes.ContainsFunc(b[i:j], func(r rune) bool { return r >= 'a' })
	switch {
	case upper && before != '/' && before != '.' && before != '-' && after != '/' && after != '.' && after != '-':
		return true
	case before == '[' && after == ']', before == '(' && after == ')', before == '\t' && after == '\t', before == '|' && after == '|':
		return true
	case before == '=' || before == '"' && after == '"' || before == ':':
		return keyed(b[:i])
	}
	return after == ':' && i <= 40 && (i == 0 || before == ' ')
}

func word(c byte) bool { return letter(c) || '0' <= c && c <= '9' || c == '_' }

// keyed reports whether what comes before a value is a key that says level.
func keyed(b []byte) bool {
	b = bytes.TrimRight(b, "=:\" ")
	for _, k := range [...]string{"level", "lvl", "severity", "loglevel", "priority"} {
		if len(b) >= len(k) && bytes.EqualFold(b[len(b)-len(k):], []byte(k)) {
			return true
		}
	}
	return false
}

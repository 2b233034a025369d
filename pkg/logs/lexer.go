package logs

import "strings"

// Bytes of a masked line that stand for a part that varies. Control characters of the input are read as spaces, so neither occurs in text.
const (
	hole  = 0x01 // what certainly varies: a number, an address, an id, a path
	maybe = 0x02 // what may vary: a word with a digit in it, the value of a key, a quoted word
)

// part is a piece of the line that the mask covers.
type part struct {
	start, end int32
	slot       int32 // the ordinal of the hole (or maybe) in the masked line
	kind       Kind
	weak       bool
}

// lexer masks one line at a time, without allocating once its buffers have grown.
type lexer struct {
	key   []byte // the masked line
	parts []part
	slots int32

	strong int // length of the key right behind its last hole, -1: none yet
	named  int // length of the key right behind its last sign = or : if what stands before that names a secret, else 0
	line   []byte
	masks  []customMask
	spans  []span
	extra  map[string]bool // protected words of the options, in lower case
}

// Classes of bytes.
const (
	cWord  = iota // letters, marks, everything above ASCII
	cDigit        // 0-9
	cSub          // parts words at which a number may stand: . - + @ # $ % & /
	cDelim        // ends a word: , ! ; : = | " ' [ ] ( ) { }
	cSpace        // spaces and control characters
)

var classes = func() (t [256]uint8) {
	for c := range 256 {
		switch {
		case c <= ' ' || c == 0x7f:
			t[c] = cSpace
		case c >= '0' && c <= '9':
			t[c] = cDigit
		}
	}
	for _, c := range []byte(".-+@#$%&/") {
		t[c] = cSub
	}
	for _, c := range []byte(",!;:=|\"'[](){}") {
		t[c] = cDelim
	}
	return t
}()

// joins are the bytes between two holes that make them one: a list, a time, an address with its port.
var joins = func() (t [256]bool) {
	for _, c := range []byte(" :.,/_-") {
		t[c] = true
	}
	return t
}()

// run masks the line into key and parts. The line is not kept.
func (l *lexer) run(line []byte) {
	l.key, l.parts, l.slots, l.strong, l.named, l.line = l.key[:0], l.parts[:0], 0, -1, 0, line
	l.spans = findSpans(l.spans[:0], l.masks, line)
	nextSpan := 0
	i, n := 0, len(line)
	space := false
	for i < n {
		c := line[i]
		class := classes[c]
		if class == cSpace {
			space = true
			i++
			continue
		}
		if space {
			if len(l.key) > 0 {
				l.key = append(l.key, ' ')
			}
			space = false
		}
		if nextSpan < len(l.spans) && i >= l.spans[nextSpan].start {
			s := l.spans[nextSpan]
			nextSpan++
			if i < s.end {
				l.hole(i, s.end, s.kind)
				i = s.end
				continue
			}
		}
		limit := n
		if nextSpan < len(l.spans) {
			limit = l.spans[nextSpan].start
		}
		if class == cDelim {
			i = l.delim(i, limit)
			continue
		}
		// A word: up to the next delimiter or space.
		j := i
		digits, subs := 0, 0
		for j < limit {
			k := classes[line[j]]
			if k >= cDelim {
				break
			}
			switch k {
			case cDigit:
				digits++
			case cSub:
				subs++
			}
			j++
		}
		switch {
		case digits == 0 && subs == 0:
			i = l.plain(i, j, limit)
		default:
			i = l.chunk(i, j, digits, limit)
		}
	}
	l.line = nil
}

// delim copies a delimiter; an empty pair of brackets that stands alone is an empty value, a quoted word may vary.
func (l *lexer) delim(i, limit int) int {
	c := l.line[i]
	switch c {
	case '(':
		alone := len(l.key) == 0 || l.key[len(l.key)-1] == ' '
		if alone && i+1 < limit && l.line[i+1] == ')' {
			l.key = append(l.key, '(')
			l.hole(i+1, i+1, KindText)
			l.key = append(l.key, ')')
			return i + 2
		}
	case '!', '|':
		if l.secret() {
			if j := l.secretEnd(i); j > i {
				l.hole(i, j, KindText)
				return j
			}
		}
	case '"', '\'':
		if !l.opens() {
			break
		}
		if l.secret() {
			if j := l.closing(i+1, c); j > i+1 {
				l.key = append(l.key, c)
				l.hole(i+1, j, KindText)
				return j
			}
			break
		}
		j := i + 1
		for j < limit && classes[l.line[j]] != cSpace && l.line[j] != c && j-i < 64 {
			j++
		}
		if j+1 < limit && l.line[j] == c && l.line[j+1] == ':' { // the key of an object
			l.key = append(append(l.key, l.line[i:j]...), c)
			return j + 1
		}
		if j < limit && l.line[j] == c && j > i+1 && plainWord(l.line[i+1:j]) && !l.protected(l.line[i+1:j]) {
			l.key = append(l.key, c)
			l.weak(i+1, j, KindQuoted)
			l.key = append(l.key, c)
			return j + 1
		}
	}
	l.key = append(l.key, c)
	if c == '=' || c == ':' {
		l.sign()
	}
	return i + 1
}

func (l *lexer) protected(w []byte) bool {
	return Protected(w) || len(l.extra) > 0 && l.extra[strings.ToLower(string(w))]
}

// opens reports whether a quote here opens one: behind a space, a bracket or an equals sign.
func (l *lexer) opens() bool {
	if len(l.key) == 0 {
		return true
	}
	switch l.key[len(l.key)-1] {
	case ' ', '=', ':', '(', '[', '{', ',':
		return true
	}
	return false
}

// plainWord reports whether there is no digit: digits decide for themselves.
func plainWord(b []byte) bool {
	for _, c := range b {
		if classes[c] == cDigit || classes[c] == cDelim {
			return false
		}
	}
	return true
}

// plain emits a word of neither digits nor parts.
func (l *lexer) plain(i, j, limit int) int {
	w := l.line[i:j]
	if l.secret() {
		end := l.secretEnd(i)
		l.hole(i, end, KindText)
		return end
	}
	if j-i <= 5 && l.known(i, j) {
		return j
	}
	if n := j - i; n == 5 || n == 6 {
		if end := l.bearer(i, j, limit); end > 0 {
			return end
		}
	}
	if j < limit && l.line[j] == ':' {
		if end := l.place(i, j, limit); end > 0 {
			return end
		}
	}
	if j-i > 20 && isJWT(w) {
		l.hole(i, j, KindText)
		return j
	}
	if l.value(j, limit) && !l.protected(w) && w[0] != '<' {
		l.weak(i, j, KindWord)
		return j
	}
	if n := len(l.key); n > 1 && l.strong == n-1 && l.key[n-1] == ' ' && isUnit(w) {
		l.weak(i, j, KindUnit)
		return j
	}
	if n := j - i; (n == 8 || n == 16 || n == 32) && allHex(w) {
		l.hole(i, j, KindHex)
		return j
	}
	l.key = append(l.key, w...)
	return j
}

// value reports whether a word that ends at j is the value of a key: behind an equals sign or the word "user", and not the name of what a bracket opens.
func (l *lexer) value(j, limit int) bool {
	n := len(l.key)
	if n == 0 {
		return false
	}
	if l.key[n-1] != '=' {
		return n >= 6 && l.key[n-1] == ' ' && string(l.key[n-5:n-1]) == "user" && (l.key[n-6] == ' ')
	}
	return j >= limit || l.line[j] != '(' && l.line[j] != '{'
}

// known masks the words that are values wherever they stand: booleans, nothing, the users everybody has, and the day and month of a date.
func (l *lexer) known(i, j int) bool {
	w := l.line[i:j]
	switch len(w) {
	case 3:
		if isDay(w) && l.followed(j, isMonth) || isMonth(w) && (l.followed(j, isNumber) || l.strong == len(l.key)-1) {
			l.hole(i, j, KindTime)
			return true
		}
	case 4:
		if fold(w, "true") || fold(w, "null") {
			l.hole(i, j, KindBool)
			return true
		}
		if fold(w, "root") {
			l.hole(i, j, KindWord)
			return true
		}
	case 5:
		if fold(w, "false") {
			l.hole(i, j, KindBool)
			return true
		}
		if fold(w, "admin") {
			l.hole(i, j, KindWord)
			return true
		}
	}
	return false
}

// followed reports whether the next word fulfils the condition.
func (l *lexer) followed(j int, is func([]byte) bool) bool {
	for j < len(l.line) && l.line[j] == ' ' {
		j++
	}
	k := j
	for k < len(l.line) && classes[l.line[k]] < cDelim {
		k++
	}
	return k > j && is(l.line[j:k])
}

// hole emits what certainly varies. Behind another hole with nothing between them but separators of a list, it is part of that.
func (l *lexer) hole(i, j int, k Kind) {
	if l.strong >= 0 {
		joined := true
		for _, c := range l.key[l.strong:] {
			if !joins[c] {
				joined = false
				break
			}
		}
		if joined {
			l.key = l.key[:l.strong]
			l.parts = append(l.parts, part{int32(i), int32(j), l.slots - 1, k, false})
			return
		}
	}
	l.key = append(l.key, hole)
	l.strong = len(l.key)
	l.parts = append(l.parts, part{int32(i), int32(j), l.slots, k, false})
	l.slots++
}

// weak emits what may vary.
func (l *lexer) weak(i, j int, k Kind) {
	l.key = append(l.key, maybe)
	l.parts = append(l.parts, part{int32(i), int32(j), l.slots, k, true})
	l.slots++
}

// fold reports equality but for case; want is in lower case.
func fold(w []byte, want string) bool {
	if len(w) != len(want) {
		return false
	}
	for i, c := range w {
		if c|0x20 != want[i] {
			return false
		}
	}
	return true
}

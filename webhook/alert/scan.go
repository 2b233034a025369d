package alert

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) from a stream with a fixed buffer. It keeps of
// a text only what it is asked to keep, and skips values without recursion, so
// neither a long string nor deep nesting costs memory (one bit per level).
type scanner struct {
	src  io.Reader
	buf  []byte
	r, w int
	off  int64 // offset of buf[0] in the stream
	err  error // of the source, io.EOF included
}

func newScanner(src io.Reader) *scanner { return &scanner{src: src, buf: make([]byte, 32<<10)} }

// syntax makes an error that wraps ErrNotJSON, or the source's own error when
// that is why the text stops here.
func (s *scanner) syntax(want string) error {
	if s.err != nil && !errors.Is(s.err, io.EOF) {
		return fmt.Errorf("reading the message: %w", s.err)
	}
	found := "the end"
	if s.r < s.w {
		found = fmt.Sprintf("%q", rune(s.buf[s.r]))
	}
	return fmt.Errorf("%w: %s where %s is due, at byte %d", ErrNotJSON, found, want, s.off+int64(s.r))
}

// more fills the buffer when it is used up; false at the end or on an error.
func (s *scanner) more() bool {
	if s.r < s.w {
		return true
	}
	s.off += int64(s.w)
	s.r, s.w = 0, 0
	for empty := 0; s.err == nil; empty++ {
		n, err := s.src.Read(s.buf)
		s.w, s.err = n, err
		if n > 0 {
			return true
		}
		if err == nil && empty > 100 {
			s.err = io.ErrNoProgress
		}
	}
	return false
}

// peek returns the next byte that is not white space, without taking it; 0 at
// the end.
func (s *scanner) peek() byte {
	for s.more() {
		switch c := s.buf[s.r]; c {
		case ' ', '\t', '\r', '\n':
			s.r++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) expect(c byte, want string) error {
	if s.peek() != c {
		return s.syntax(want)
	}
	s.r++
	return nil
}

// kept collects the beginning of a text: at most max bytes (negative: all),
// without NUL, which PostgreSQL cannot store, and with valid UTF-8 only.
type kept struct {
	b     []byte
	max   int
	total int64 // decoded bytes in all
}

func (k *kept) rune(r rune) {
	if r == 0 || utf16.IsSurrogate(r) {
		r = utf8.RuneError
	}
	k.total += int64(utf8.RuneLen(r))
	if k.max < 0 || k.total <= int64(k.max) {
		k.b = utf8.AppendRune(k.b, r)
	}
}

// ascii appends bytes below 0x80 that are no NUL.
func (k *kept) ascii(p []byte) {
	k.total += int64(len(p))
	if k.max >= 0 && k.total > int64(k.max) {
		room := int64(k.max) - (k.total - int64(len(p)))
		p = p[:max(0, min(room, int64(len(p))))]
	}
	k.b = append(k.b, p...)
}

// str reads a string into k; the opening quote is next.
func (s *scanner) str(k *kept) error {
	if err := s.expect('"', "a string"); err != nil {
		return err
	}
	for s.more() {
		i := s.r
		for i < s.w && plain[s.buf[i]] {
			i++
		}
		k.ascii(s.buf[s.r:i])
		if s.r = i; i == s.w {
			continue
		}
		switch c := s.buf[i]; {
		case c == '"':
			s.r++
			return nil
		case c == '\\':
			s.r++
			if err := s.escape(k); err != nil {
				return err
			}
		case c < 0x20:
			return s.syntax("a character of a string")
		default:
			k.rune(s.utf8())
		}
	}
	return s.syntax("the end of a string")
}

// plain bytes stand for themselves within a string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// utf8 reads one character of two bytes or more, or U+FFFD for one bad byte.
func (s *scanner) utf8() rune {
	if s.w-s.r < utf8.UTFMax && s.err == nil { // it may go on in the next block
		n := copy(s.buf, s.buf[s.r:s.w])
		s.off += int64(s.r)
		s.r, s.w = 0, n
		for tries := 0; s.w < utf8.UTFMax && s.err == nil && tries < 100; tries++ {
			var m int
			m, s.err = s.src.Read(s.buf[s.w:])
			s.w += m
		}
	}
	r, n := utf8.DecodeRune(s.buf[s.r:s.w])
	s.r += n
	return r
}

func (s *scanner) escape(k *kept) error {
	if !s.more() {
		return s.syntax("an escape")
	}
	c := s.buf[s.r]
	if c == 'u' {
		s.r++
		return s.unicode(k)
	}
	i := indexByte(`"\/bfnrt`, c)
	if i < 0 {
		return s.syntax("an escape")
	}
	s.r++
	k.rune(rune("\"\\/\b\f\n\r\t"[i]))
	return nil
}

func indexByte(s string, c byte) int {
	for i := range len(s) {
		if s[i] == c {
			return i
		}
	}
	return -1
}

// unicode reads the hexadecimal digits after \u, and a second escape when the
// first is a high surrogate. A lone surrogate becomes U+FFFD.
func (s *scanner) unicode(k *kept) error {
	r, err := s.hex4()
	if err != nil {
		return err
	}
	for utf16.IsSurrogate(r) {
		if !s.more() || s.buf[s.r] != '\\' {
			break
		}
		s.r++
		if !s.more() || s.buf[s.r] != 'u' {
			k.rune(utf8.RuneError)
			return s.escape(k)
		}
		s.r++
		r2, err := s.hex4()
		if err != nil {
			return err
		}
		if pair := utf16.DecodeRune(r, r2); pair != utf8.RuneError {
			r = pair
			break
		}
		k.rune(utf8.RuneError) // r stands alone; r2 may begin a pair
		r = r2
	}
	k.rune(r)
	return nil
}

func (s *scanner) hex4() (rune, error) {
	var r rune
	for range 4 {
		if !s.more() {
			return 0, s.syntax("a hexadecimal digit")
		}
		c := s.buf[s.r]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, s.syntax("a hexadecimal digit")
		}
		s.r++
		r = r<<4 | rune(c)
	}
	return r, nil
}

// literal reads a number, true, false or null into k; something else is an
// error.
func (s *scanner) literal(k *kept) error {
	for _, word := range []string{"true", "false", "null"} {
		if s.peek() == word[0] {
			return s.word(word, k)
		}
	}
	return s.number(k)
}

func (s *scanner) word(word string, k *kept) error {
	for i := range len(word) {
		if !s.more() || s.buf[s.r] != word[i] {
			return s.syntax(word)
		}
		s.r++
	}
	k.ascii([]byte(word))
	return nil
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?.
func (s *scanner) number(k *kept) error {
	if s.accept("-", k) && !s.more() {
		return s.syntax("a digit")
	}
	if !s.accept("0", k) && s.digits(k) == 0 {
		return s.syntax("a value")
	}
	if s.accept(".", k) && s.digits(k) == 0 {
		return s.syntax("a digit")
	}
	if s.accept("eE", k) {
		s.accept("+-", k)
		if s.digits(k) == 0 {
			return s.syntax("a digit")
		}
	}
	return nil
}

func (s *scanner) accept(set string, k *kept) bool {
	if !s.more() || indexByte(set, s.buf[s.r]) < 0 {
		return false
	}
	k.ascii(s.buf[s.r : s.r+1])
	s.r++
	return true
}

func (s *scanner) digits(k *kept) (n int) {
	for s.accept("0123456789", k) {
		n++
	}
	return n
}

package prom

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON from a stream, strictly (RFC 8259), with one buffer and no tree. Its methods leave the position behind
// what they read; slices they return are valid until the next call.
type scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int // unread bytes are buf[pos:end]
	scratch  []byte
	interned map[string]string
}

const (
	scanBuffer = 64 << 10
	maxToken   = 1 << 20  // longest string or number: a label value of a megabyte is an attack
	maxDepth   = 64       // of what is skipped
	maxIntern  = 64 << 10 // strings kept for reuse within one answer
)

func newScanner(r io.Reader) *scanner {
	return &scanner{r: r, buf: make([]byte, scanBuffer), interned: map[string]string{}}
}

// more reads at least one more byte behind the unread ones, moving them to the front of the buffer.
func (s *scanner) more() error {
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.end -= s.pos
		s.pos = 0
	}
	if s.end == len(s.buf) {
		if len(s.buf) >= maxToken {
			return fmt.Errorf("a string or number is longer than %d bytes", maxToken)
		}
		grown := make([]byte, 2*len(s.buf))
		copy(grown, s.buf[:s.end])
		s.buf = grown
	}
	for range 100 { // as bufio does: a reader may return nothing a few times
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if n > 0 {
			return nil
		}
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// peek returns the next byte that is not white space, without reading past it.
func (s *scanner) peek() (byte, error) {
	for {
		for s.pos < s.end {
			switch c := s.buf[s.pos]; c {
			case ' ', '\t', '\n', '\r':
				s.pos++
			default:
				return c, nil
			}
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
}

func (s *scanner) expect(want byte) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c != want {
		return fmt.Errorf("got %q where %q belongs", c, want)
	}
	s.pos++
	return nil
}

// object calls field for every key, positioned at its value. The key is valid until field reads.
func (s *scanner) object(field func(key string) error) error {
	return s.list('{', '}', func() error {
		key, err := s.str()
		if err != nil {
			return err
		}
		name := s.intern(key)
		if err := s.expect(':'); err != nil {
			return err
		}
		return field(name)
	})
}

// array calls item, positioned at each item.
func (s *scanner) array(item func() error) error { return s.list('[', ']', item) }

func (s *scanner) list(open, shut byte, item func() error) error {
	if err := s.expect(open); err != nil {
		return err
	}
	return s.items(shut, item)
}

// items is list behind the opening bracket.
func (s *scanner) items(shut byte, item func() error) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c == shut {
		s.pos++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		c, err := s.peek()
		if err != nil {
			return err
		}
		s.pos++
		if c == shut {
			return nil
		}
		if c != ',' {
			return fmt.Errorf("got %q where ',' or %q belongs", c, shut)
		}
	}
}

// str reads a string.
func (s *scanner) str() ([]byte, error) {
	if c, err := s.peek(); err != nil {
		return nil, err
	} else if c != '"' {
		return nil, fmt.Errorf("got %q where a string belongs", c)
	}
	i := 1
	for {
		b := s.buf[s.pos:s.end]
		for ; i < len(b); i++ {
			switch c := b[i]; {
			case c == '"':
				s.pos += i + 1
				return b[1:i], nil
			case c == '\\':
				return s.escaped(i)
			case c < ' ':
				return nil, fmt.Errorf("a string holds the control character %q", c)
			}
		}
		if err := s.more(); err != nil {
			return nil, err
		}
	}
}

// escaped continues str at the backslash buf[pos+i].
func (s *scanner) escaped(i int) ([]byte, error) {
	s.scratch = append(s.scratch[:0], s.buf[s.pos+1:s.pos+i]...)
	s.pos += i
	for {
		if len(s.scratch) > maxToken {
			return nil, fmt.Errorf("a string is longer than %d bytes", maxToken)
		}
		c, err := s.byte()
		switch {
		case err != nil:
			return nil, err
		case c == '"':
			return s.scratch, nil
		case c < ' ':
			return nil, fmt.Errorf("a string holds the control character %q", c)
		case c != '\\':
			s.scratch = append(s.scratch, c)
			continue
		}
		if c, err = s.byte(); err != nil {
			return nil, err
		}
		switch c {
		case '"', '\\', '/':
			s.scratch = append(s.scratch, c)
		case 'b':
			s.scratch = append(s.scratch, '\b')
		case 'f':
			s.scratch = append(s.scratch, '\f')
		case 'n':
			s.scratch = append(s.scratch, '\n')
		case 'r':
			s.scratch = append(s.scratch, '\r')
		case 't':
			s.scratch = append(s.scratch, '\t')
		case 'u':
			if err := s.codePoint(); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("a string holds the unknown escape \\%c", c)
		}
	}
}

// codePoint reads the four digits behind \u, and the second half of a surrogate pair; a lone half becomes U+FFFD.
func (s *scanner) codePoint() error {
	r, err := s.hex4()
	if err != nil {
		return err
	}
	for utf16.IsSurrogate(r) {
		for s.end-s.pos < 2 {
			if err := s.more(); err != nil {
				return err
			}
		}
		if s.buf[s.pos] != '\\' || s.buf[s.pos+1] != 'u' {
			r = utf8.RuneError
			break
		}
		s.pos += 2
		second, err := s.hex4()
		if err != nil {
			return err
		}
		if pair := utf16.DecodeRune(r, second); pair != utf8.RuneError {
			r = pair
			break
		}
		s.scratch = utf8.AppendRune(s.scratch, utf8.RuneError)
		r = second
	}
	s.scratch = utf8.AppendRune(s.scratch, r)
	return nil
}

func (s *scanner) hex4() (rune, error) {
	var r rune
	for range 4 {
		c, err := s.byte()
		if err != nil {
			return 0, err
		}
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, errors.New("a string holds a broken \\u escape")
		}
		r = r<<4 | rune(c)
	}
	return r, nil
}

func (s *scanner) byte() (byte, error) {
	if s.pos == s.end {
		if err := s.more(); err != nil {
			return 0, err
		}
	}
	s.pos++
	return s.buf[s.pos-1], nil
}

// number reads a number and checks its grammar.
func (s *scanner) number() ([]byte, error) {
	if _, err := s.peek(); err != nil {
		return nil, err
	}
	i := 0
	for {
		b := s.buf[s.pos:s.end]
		for i < len(b) && isNumberByte(b[i]) {
			i++
		}
		if i < len(b) {
			if !isNumber(b[:i]) {
				return nil, fmt.Errorf("got %.20q where a number belongs", b)
			}
			s.pos += i
			return b[:i], nil
		}
		if err := s.more(); err != nil { // no answer ends in a number
			return nil, err
		}
	}
}

func isNumberByte(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// isNumber reports whether b is a JSON number.
func isNumber(b []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(b) && '0' <= b[n] && b[n] <= '9' {
			n++
		}
		b = b[n:]
		return n > 0
	}
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	if len(b) > 0 && b[0] == '0' {
		b = b[1:]
	} else if !digits() {
		return false
	}
	if len(b) > 0 && b[0] == '.' {
		if b = b[1:]; !digits() {
			return false
		}
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		if b = b[1:]; len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		if !digits() {
			return false
		}
	}
	return len(b) == 0
}

// skip reads one value of any kind.
func (s *scanner) skip() error { return s.skipAt(0) }

func (s *scanner) skipAt(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	c, err := s.peek()
	if err != nil {
		return err
	}
	switch c {
	case '{':
		return s.list('{', '}', func() error {
			if _, err := s.str(); err != nil {
				return err
			}
			if err := s.expect(':'); err != nil {
				return err
			}
			return s.skipAt(depth + 1)
		})
	case '[':
		return s.list('[', ']', func() error { return s.skipAt(depth + 1) })
	case '"':
		_, err := s.str()
		return err
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	_, err = s.number()
	return err
}

func (s *scanner) word(want string) error {
	for i := range len(want) {
		if c, err := s.byte(); err != nil {
			return err
		} else if c != want[i] {
			return fmt.Errorf("got a word that is not %q", want)
		}
	}
	return nil
}

// atEnd checks that nothing but white space follows.
func (s *scanner) atEnd() error {
	c, err := s.peek()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("got %q after the end of the answer", c)
}

// intern returns b as a string, the same one for the same bytes: an answer repeats its label names and values.
func (s *scanner) intern(b []byte) string {
	if v, ok := s.interned[string(b)]; ok { // does not allocate
		return v
	}
	v := string(b)
	if len(s.interned) < maxIntern {
		s.interned[v] = v
	}
	return v
}

// text reads a string, or null as "".
func (s *scanner) text() (string, error) {
	if c, err := s.peek(); err != nil {
		return "", err
	} else if c == 'n' {
		return "", s.word("null")
	}
	b, err := s.str()
	return string(b), err
}

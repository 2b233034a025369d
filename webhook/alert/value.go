package alert

// object reads an object, calling member with each key, of which at most
// maxKey bytes are kept (negative: all); member must take the value.
func (s *scanner) object(maxKey int, member func(key string) error) error {
	if err := s.expect('{', "an object"); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.r++
		return nil
	}
	for {
		s.peek()
		k := kept{max: maxKey}
		if err := s.str(&k); err != nil {
			return err
		}
		if err := s.expect(':', "a colon"); err != nil {
			return err
		}
		if err := member(string(k.b)); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.r++
		case '}':
			s.r++
			return nil
		default:
			return s.syntax("a comma or the end of an object")
		}
	}
}

// array reads an array; item must take each value.
func (s *scanner) array(item func() error) error {
	if err := s.expect('[', "an array"); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.r++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.r++
		case ']':
			s.r++
			return nil
		default:
			return s.syntax("a comma or the end of an array")
		}
	}
}

// text reads any value as text into k: a string decoded, null as nothing,
// everything else as its JSON without white space.
func (s *scanner) text(k *kept) error {
	switch s.peek() {
	case '"':
		return s.str(k)
	case 'n':
		return s.word("null", &kept{})
	}
	return s.raw(k)
}

// skip takes any value and keeps nothing.
func (s *scanner) skip() error { return s.raw(&kept{}) }

// raw takes any value and keeps its JSON, without white space and with the
// strings' escapes resolved as far as that is needed to be read by people. It
// does not recurse: open brackets are one bit each.
func (s *scanner) raw(k *kept) error {
	var open bits // 1 = object, 0 = array
	for {
		switch s.peek() {
		case '{':
			s.take(k)
			open.push(true)
			if s.peek() == '}' {
				break
			}
			if err := s.member(k); err != nil {
				return err
			}
			continue
		case '[':
			s.take(k)
			open.push(false)
			if s.peek() == ']' {
				break
			}
			continue
		case '"':
			if err := s.quoted(k); err != nil {
				return err
			}
		default:
			if err := s.literal(k); err != nil {
				return err
			}
		}
		more, err := s.closing(&open, k)
		if !more || err != nil {
			return err
		}
	}
}

// closing takes what may follow a value: closing brackets, then nothing (more
// is false), or a comma and, in an object, the next key.
func (s *scanner) closing(open *bits, k *kept) (more bool, err error) {
	for open.n > 0 {
		c := s.peek()
		switch {
		case c == '}' && open.top(), c == ']' && !open.top():
			s.take(k)
			open.n--
		case c == ',':
			s.take(k)
			if open.top() {
				return true, s.member(k)
			}
			return true, nil
		default:
			return false, s.syntax("a comma or a closing bracket")
		}
	}
	return false, nil
}

// member takes a key and its colon.
func (s *scanner) member(k *kept) error {
	s.peek()
	if err := s.quoted(k); err != nil {
		return err
	}
	if err := s.expect(':', "a colon"); err != nil {
		return err
	}
	k.ascii([]byte{':'})
	return nil
}

func (s *scanner) quoted(k *kept) error {
	quote := []byte{'"'}
	k.ascii(quote)
	err := s.str(k)
	k.ascii(quote)
	return err
}

func (s *scanner) take(k *kept) {
	k.ascii(s.buf[s.r : s.r+1])
	s.r++
}

// bits is a stack of booleans, eight to the byte.
type bits struct {
	b []byte
	n int
}

func (b *bits) push(v bool) {
	if b.n/8 == len(b.b) {
		b.b = append(b.b, 0)
	}
	mask := byte(1) << (b.n % 8)
	b.b[b.n/8] &^= mask
	if v {
		b.b[b.n/8] |= mask
	}
	b.n++
}

func (b *bits) top() bool { return b.b[(b.n-1)/8]&(1<<((b.n-1)%8)) != 0 }

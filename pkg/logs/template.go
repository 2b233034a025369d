package logs

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// ID of a template: the first eight bytes of the SHA-256 of its text with every place masked. It depends on nothing else, so it is the same on every host and after
// every restart.
type ID uint64

// String returns sixteen hexadecimal digits.
func (id ID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil || len(s) != 16 {
		return 0, fmt.Errorf("template id: got %q, want 16 hexadecimal digits", s)
	}
	return ID(n), nil
}

// template is a shape with its columns.
type template struct {
	id      ID
	b       *bucket
	into    *template // what this one became part of
	gone    bool      // forgotten
	loose   bool      // made in a crowded bucket: takes any words in its places
	cols    []column
	gen     uint32 // grows with every change of the columns
	count   uint64
	born    uint64 // the line that began it
	tick    uint64 // its latest line
	first   int64
	last    int64
	example string
	text    string
	steps   []step

	bytes  int    // memory, roughly
	recent uint64 // lines of the window that is open
	rate   rate
}

type step struct {
	at   int64
	text string
}

// maxSteps is how many texts of a template are remembered: the first and the latest.
const maxSteps = 8

// live returns the template that this one became part of, or itself.
func (t *template) live() *template {
	for t.into != nil {
		t = t.into
	}
	return t
}

// identify derives the id from the columns with every place a hole.
func (t *template) identify() {
	h := sha256.New()
	h.Write([]byte(t.b.shape))
	for i := range t.cols {
		h.Write([]byte{0})
		h.Write([]byte(t.cols[i].sure))
	}
	t.id = ID(binary.BigEndian.Uint64(h.Sum(nil)))
}

// weigh tells how much memory the template may come to take: its columns, and its text as often as it is remembered.
func (t *template) weigh() int {
	return 2*columnBytes*len(t.cols) + 4*len(t.text) + len(t.example) + len(t.b.shape)
}

// vary makes a place that was always the same a variable.
func (t *template) vary(col, i int, now int64) {
	if t.cols[col].at(i) != maybe {
		return
	}
	t.cols[col].set(i)
	t.changed(now)
}

// changed is called when the columns did.
func (t *template) changed(now int64) {
	t.gen++
	text := t.render()
	if text == t.text {
		return
	}
	t.text = text
	t.steps = append(t.steps, step{now, text})
	if len(t.steps) > maxSteps {
		t.steps = append(t.steps[:1], t.steps[2:]...)
	}
}

// render returns the text for people: <*> for what varies, *** for what looks like a secret all the same.
func (t *template) render() string {
	var b strings.Builder
	c := 0
	for i := range len(t.b.shape) {
		if t.b.shape[i] != hole {
			b.WriteByte(t.b.shape[i])
			continue
		}
		col := &t.cols[c]
		c++
		place := 0
		for k := range len(col.text) {
			switch x := col.text[k]; x {
			case hole:
				b.WriteString("<*>")
				place++
			case maybe:
				b.WriteString(col.weak[place])
				place++
			default:
				b.WriteByte(x)
			}
		}
	}
	return redact(strings.ToValidUTF8(b.String(), "\uFFFD"))
}

// rewatch lists the places that are still the same, as this signature has them.
func (s *signature) rewatch() {
	s.watch, s.gen = s.watch[:0], s.t.gen
	slot := int32(0)
	for c := range s.cols {
		own, of := &s.cols[c], &s.t.cols[c]
		if own.sure == of.sure {
			for i := range own.weak {
				if of.at(i) == maybe {
					s.watch = append(s.watch, watch{slot + int32(i), int32(c), int32(i), of.weak[i]})
				}
			}
		}
		slot += int32(len(own.weak))
	}
}

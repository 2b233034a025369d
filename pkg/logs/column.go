package logs

import "strings"

// column is what stands between two separators of a masked line: text with places.
type column struct {
	text  string // holes and maybes stand for the places
	sure  string // the text with every place a hole
	weak  []string
	kinds []Kind
}

const wildcard = string(rune(hole))

// columnsOf parts a masked line into columns and its shape: the separators.
func columnsOf(key string) (cols []column, shape string) {
	var b strings.Builder
	start := -1
	flush := func(end int) {
		if start >= 0 {
			text := key[start:end]
			n := places(text)
			c := column{text: text, sure: firm(text)}
			if n > 0 {
				c.weak, c.kinds = make([]string, n), make([]Kind, n)
			}
			cols = append(cols, c)
			b.WriteByte(hole)
			start = -1
		}
	}
	for i := range len(key) {
		if c := classes[key[i]]; (c == cDelim || c == cSpace) && key[i] != hole && key[i] != maybe {
			flush(i)
			b.WriteByte(key[i])
			continue
		}
		if start < 0 {
			start = i
		}
	}
	flush(len(key))
	return cols, b.String()
}

func places(text string) int {
	n := 0
	for i := range len(text) {
		if text[i] == hole || text[i] == maybe {
			n++
		}
	}
	return n
}

// at returns hole or maybe for the i-th place.
func (c *column) at(i int) byte {
	for k := range len(c.text) {
		if b := c.text[k]; b == hole || b == maybe {
			if i == 0 {
				return b
			}
			i--
		}
	}
	return 0
}

// set makes the i-th place a hole.
func (c *column) set(i int) {
	b := []byte(c.text)
	for k := range b {
		if b[k] == hole || b[k] == maybe {
			if i == 0 {
				b[k] = hole
				c.text = string(b)
				return
			}
			i--
		}
	}
}

// firm makes every place a hole.
func firm(text string) string { return strings.ReplaceAll(text, string(rune(maybe)), wildcard) }

func (c *column) clone() column {
	d := *c
	d.weak = append([]string(nil), c.weak...)
	d.kinds = append([]Kind(nil), c.kinds...)
	return d
}

// wild makes the column one hole.
func (c *column) wild() {
	k := KindText
	if len(c.kinds) == 1 && len(c.text) == 1 {
		k = c.kinds[0]
	}
	*c = column{text: wildcard, sure: wildcard, weak: []string{""}, kinds: []Kind{k}}
}

// meaning reports whether the column is a word that tells something: two letters at least.
func (c *column) meaning() bool {
	n := 0
	for i := range len(c.text) {
		if x := c.text[i]; x|0x20 >= 'a' && x|0x20 <= 'z' || x >= 0x80 {
			if n++; n == 2 {
				return true
			}
		}
	}
	return false
}

func cloneAll(cols []column) []column {
	d := make([]column, len(cols))
	for i := range cols {
		d[i] = cols[i].clone()
	}
	return d
}

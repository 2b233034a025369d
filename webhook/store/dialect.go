package store

import (
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// dialect is what differs between the databases within a statement.
type dialect struct {
	name     string // "sqlite" or "postgres": the folder of the migrations
	numbered bool   // arguments are $1, $2, …
	skip     string // suffix of a SELECT that takes rows for this transaction only
	rebound  *sync.Map
}

// rebind turns ? into $1, $2, … where that is needed. No statement here holds a
// question mark in a text.
func (d dialect) rebind(query string) string {
	if !d.numbered {
		return query
	}
	if q, ok := d.rebound.Load(query); ok {
		return q.(string)
	}
	var b strings.Builder
	n := 0
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		}
		b.WriteString(part)
	}
	d.rebound.Store(query, b.String())
	return b.String()
}

// marks is "?, ?, …" n times.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// micros is how a time is stored: microseconds since 1970, 0 for the zero time.
// The very start of 1970 is stored one microsecond late.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if m := t.UnixMicro(); m != 0 {
		return m
	}
	return 1
}

// moment is the inverse of micros.
func moment(m int64) time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(m).UTC()
}

// text makes a string that every database takes: valid UTF-8 without NUL.
func text[S ~string](s S) string {
	if utf8.ValidString(string(s)) && strings.IndexByte(string(s), 0) < 0 {
		return string(s)
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(s), "\ufffd"), "\x00", "\ufffd")
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

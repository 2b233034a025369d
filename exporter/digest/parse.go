package digest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/foreshock/foreshock/exporter/follow"
)

// parsed is one message taken apart. It is used again for the next one.
type parsed struct {
	source []follow.Field // what the source knows
	object map[string]json.RawMessage
	pairs  []pair
}

type pair struct{ key, value []byte }

// take takes a message apart; false: it is not in the format.
func (p *parsed) take(how *Parse, r follow.Record) bool {
	p.source, p.object, p.pairs = r.Fields, nil, p.pairs[:0]
	switch how.Format {
	case "json":
		at := bytes.IndexByte(r.Text, '{') // after what a relay may put before it
		return at >= 0 && json.Unmarshal(r.Text[at:], &p.object) == nil
	case "logfmt":
		return p.logfmt(r.Text)
	case "regexp":
		m := how.pattern.FindSubmatchIndex(r.Text)
		for i, name := range how.pattern.SubexpNames() {
			if m != nil && name != "" && m[2*i] >= 0 {
				p.pairs = append(p.pairs, pair{[]byte(name), r.Text[m[2*i]:m[2*i+1]]})
			}
		}
		return m != nil
	}
	return true
}

// logfmt reads key=value and key="quoted value"; words without a "=" are passed over.
func (p *parsed) logfmt(b []byte) bool {
	for {
		b = bytes.TrimLeft(b, " \t")
		if len(b) == 0 {
			return len(p.pairs) > 0
		}
		end := bytes.IndexAny(b, "= \t")
		if end < 0 {
			return len(p.pairs) > 0
		}
		key := b[:end]
		if b[end] != '=' {
			b = b[end:]
			continue
		}
		b = b[end+1:]
		var value []byte
		if value, b = logfmtValue(b); len(key) > 0 {
			p.pairs = append(p.pairs, pair{key, value})
		}
	}
}

func logfmtValue(b []byte) (value, rest []byte) {
	if len(b) > 0 && b[0] == '"' {
		for i := 1; i < len(b); i++ {
			switch b[i] {
			case '\\':
				i++
			case '"':
				if s, err := strconv.Unquote(string(b[:i+1])); err == nil {
					return []byte(s), b[i+1:]
				}
				return b[1:i], b[i+1:]
			}
		}
	}
	end := bytes.IndexAny(b, " \t\n")
	if end < 0 {
		return b, nil
	}
	return b[:end], b[end:]
}

// get returns the value of a field: one of the message, of any depth with dots in JSON, or one that the source knows.
func (p *parsed) get(name string) ([]byte, bool) {
	for i := range p.pairs {
		if string(p.pairs[i].key) == name {
			return p.pairs[i].value, true
		}
	}
	if p.object != nil {
		if v, ok := dig(p.object, name); ok {
			return v, true
		}
	}
	for _, f := range p.source {
		if f.Name == name {
			return []byte(f.Value), true
		}
	}
	return nil, false
}

func dig(object map[string]json.RawMessage, name string) ([]byte, bool) {
	if raw, ok := object[name]; ok {
		var s string
		if json.Unmarshal(raw, &s) == nil && raw[0] == '"' {
			return []byte(s), true
		}
		return raw, string(raw) != "null"
	}
	first, rest, ok := strings.Cut(name, ".")
	var inner map[string]json.RawMessage
	if !ok || json.Unmarshal(object[first], &inner) != nil {
		return nil, false
	}
	return dig(inner, rest)
}

// first returns the first of these fields that is there.
func (p *parsed) first(names []string) ([]byte, bool) {
	for _, n := range names {
		if v, ok := p.get(n); ok {
			return v, true
		}
	}
	return nil, false
}

package series

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// Label is one name and value of a series.
type Label struct{ Name, Value string }

// Labels identify a series: sorted by name, names unique. Empty values are not stored, as in Prometheus.
type Labels []Label

// FromMap returns the labels of a map.
func FromMap(m map[string]string) Labels {
	ls := make(Labels, 0, len(m))
	for n, v := range m {
		if v != "" {
			ls = append(ls, Label{n, v})
		}
	}
	slices.SortFunc(ls, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return ls
}

// Map returns a new map with the same content.
func (ls Labels) Map() map[string]string {
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[l.Name] = l.Value
	}
	return m
}

// Get returns the value of a name, "" when absent.
func (ls Labels) Get(name string) string {
	for _, l := range ls {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// Without returns a copy that lacks the given names.
func (ls Labels) Without(names ...string) Labels {
	out := make(Labels, 0, len(ls))
	for _, l := range ls {
		if !slices.Contains(names, l.Name) {
			out = append(out, l)
		}
	}
	return out
}

// Equal reports whether both hold the same names and values.
func (ls Labels) Equal(other Labels) bool { return slices.Equal(ls, other) }

// Compare orders label sets by name, then value, pair by pair; a prefix comes first.
func (ls Labels) Compare(other Labels) int {
	return slices.CompareFunc(ls, other, func(a, b Label) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Value, b.Value)
	})
}

// Hash returns the 64-bit FNV-1a hash of the labels. It is stable across processes and versions: the phase of a series is derived from it.
func (ls Labels) Hash() uint64 {
	h := fnv.New64a()
	sep := []byte{0xff}
	for _, l := range ls {
		h.Write([]byte(l.Name))
		h.Write(sep)
		h.Write([]byte(l.Value))
		h.Write(sep)
	}
	return h.Sum64()
}

// String returns the form that Prometheus prints: up{instance="a:9100", job="node"}.
func (ls Labels) String() string {
	var b strings.Builder
	b.WriteString(ls.Get("__name__"))
	n := 0
	for _, l := range ls {
		if l.Name == "__name__" {
			continue
		}
		if n == 0 {
			b.WriteByte('{')
		} else {
			b.WriteString(", ")
		}
		n++
		b.WriteString(l.Name)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(l.Value))
	}
	if n > 0 {
		b.WriteByte('}')
	} else if b.Len() == 0 {
		b.WriteString("{}")
	}
	return b.String()
}

package collector

import (
	"fmt"
	"regexp"
)

// filter says which names to leave out, and remembers what it said: the same few mounts and devices come by on every scrape.
type filter struct {
	exclude, include *regexp.Regexp
	known            map[string]bool
}

// maxKnown bounds the memory of a filter. A host that makes and drops more names than this starts anew.
const maxKnown = 10_000

// newFilter compiles the two patterns of an option pair named what ("mount-points"). An include pattern replaces the default exclude pattern; it
// is an error to give both.
func newFilter(what, exclude, defaultExclude, include string) (*filter, error) {
	if include != "" && exclude == defaultExclude {
		exclude = ""
	}
	if include != "" && exclude != "" {
		return nil, fmt.Errorf("%s-include %q and %s-exclude %q: want only one of the two", what, include, what, exclude)
	}
	f := &filter{known: map[string]bool{}}
	var err error
	if f.exclude, err = compile(what+"-exclude", exclude); err != nil {
		return nil, err
	}
	if f.include, err = compile(what+"-include", include); err != nil {
		return nil, err
	}
	return f, nil
}

func compile(what, pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: got %q, want a regular expression: %w", what, pattern, err)
	}
	return re, nil
}

// drops reports whether a thing of that name is left out.
func (f *filter) drops(name []byte) bool {
	if d, ok := f.known[string(name)]; ok {
		return d
	}
	d := (f.exclude != nil && f.exclude.Match(name)) || (f.include != nil && !f.include.Match(name))
	if len(f.known) >= maxKnown {
		clear(f.known)
	}
	f.known[string(name)] = d
	return d
}

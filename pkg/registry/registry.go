// Package registry holds named members of one kind and builds them from what people write.
//
// The idea: a member is a registered name plus an options struct that is pre-filled with its defaults. What a person wrote
// (JSON of a query, YAML of a file, key=value of a shell) is decoded strictly onto that struct, checked against its tags,
// validated, and then the decoded struct is the working thing. The same tags describe the parameters to forms and docs, so
// a new member needs one code file and nothing else.
//
//	var Detectors = registry.NewOf[Detector]("detector")
//
//	func init() {
//		Detectors.Add(registry.Entry[Detector]{Name: "mad", Summary: "…", Source: "…", New: func() Detector { return &MAD{Budget: 1} }})
//	}
//
//	d, err := Detectors.New("mad", registry.FromStrings(map[string]string{"budget": "2"}))
//
// It does not load files, and it knows no member.
package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ErrUnknown is wrapped by the error for a name that is not registered.
var ErrUnknown = errors.New("unknown name")

// Entry is one member of a registry.
type Entry[T any] struct {
	// Name is what people write: lower snake case.
	Name string
	// Summary is one line in plain words: what it is good for.
	Summary string
	// Source is the citation: paper, section, DOI or the standard it follows.
	Source string
	// New returns the options struct (a pointer) filled with its defaults.
	New func() T
}

// Of is a registry of members of type T. Add is called from init only; reading is safe for concurrent use.
type Of[T any] struct {
	kind    string
	mu      sync.RWMutex
	entries map[string]Entry[T]
}

// NewOf returns an empty registry. The kind ("detector", "channel") appears in error texts.
func NewOf[T any](kind string) *Of[T] {
	return &Of[T]{kind: kind, entries: map[string]Entry[T]{}}
}

// Add registers a member. It panics on an empty or duplicate name and on a missing constructor: these are programming errors.
func (r *Of[T]) Add(e Entry[T]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Name == "" || e.New == nil {
		panic(fmt.Sprintf("registry: %s without name or constructor", r.kind))
	}
	if _, dup := r.entries[e.Name]; dup {
		panic(fmt.Sprintf("registry: %s %q registered twice", r.kind, e.Name))
	}
	r.entries[e.Name] = e
}

// Names returns all registered names, sorted.
func (r *Of[T]) Names() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	names := make([]string, 0, len(r.entries))
	for n := range r.entries {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Get returns the member of that name. The error for an unknown name wraps ErrUnknown and lists the known ones.
func (r *Of[T]) Get(name string) (Entry[T], error) {
	r.mu.RLock()
	e, ok := r.entries[name]
	r.mu.RUnlock()
	if !ok {
		return Entry[T]{}, &UnknownError{Kind: r.kind, Name: name, Known: r.Names()}
	}
	return e, nil
}

// New constructs the member of that name, decodes onto its defaults (nil: defaults only), checks the tags and validates.
func (r *Of[T]) New(name string, decode Decode) (T, error) {
	e, err := r.Get(name)
	if err != nil {
		var zero T
		return zero, err
	}
	v := e.New()
	if err := DecodeInto(v, decode); err != nil {
		var zero T
		return zero, fmt.Errorf("%s %s: %w", r.kind, name, err)
	}
	return v, nil
}

// Params describes the parameters of the member of that name, in the order of its fields.
func (r *Of[T]) Params(name string) ([]Param, error) {
	e, err := r.Get(name)
	if err != nil {
		return nil, err
	}
	return ParamsOf(e.New()), nil
}

// UnknownError tells which name is unknown and what could have been written instead.
type UnknownError struct {
	Kind, Name string
	Known      []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("unknown %s %q: want one of %s", e.Kind, e.Name, strings.Join(e.Known, ", "))
}

// Is reports that an UnknownError is an ErrUnknown.
func (e *UnknownError) Is(target error) bool { return target == ErrUnknown }

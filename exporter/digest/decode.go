package digest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/pkg/registry"
)

// Load reads a file. The error has one line for each mistake, with file, line, where, what stands there and what may.
func Load(file string) (*Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Decode(file, b)
}

// Decode is Load for a text; file is its name in mistakes.
func Decode(file string, text []byte) (*Config, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: not YAML: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	d := &decoder{file: file}
	c := Default()
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s: the file is empty, want a list \"sources\"", file)
	}
	d.fields(doc.Content[0], "", &c.Global, map[string]func(*yaml.Node, string){
		"sources": func(n *yaml.Node, path string) {
			d.list(n, path, func(n *yaml.Node, path string) { c.Sources = append(c.Sources, d.source(n, path)) })
		},
	})
	if len(c.Sources) == 0 && len(d.mistakes) == 0 {
		d.mistake(doc.Content[0], "", "want at least one entry in \"sources\"")
	}
	unique(d, doc.Content[0], "sources", c.Sources, func(s *Source) string { return s.Name })
	if err := errors.Join(d.mistakes...); err != nil {
		return nil, err
	}
	return &c, nil
}

// decoder collects mistakes instead of stopping at the first.
type decoder struct {
	file     string
	mistakes []error
}

func (d *decoder) mistake(n *yaml.Node, path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	d.mistakes = append(d.mistakes, fmt.Errorf("%s:%d: %s", d.file, n.Line, text))
}

func unique[T any](d *decoder, n *yaml.Node, path string, all []T, name func(T) string) {
	seen := map[string]bool{}
	for _, x := range all {
		if seen[name(x)] {
			d.mistake(n, path, "the name %q stands there twice, want names that differ", name(x))
		}
		seen[name(x)] = true
	}
}

// source decodes one entry of sources.
func (d *decoder) source(n *yaml.Node, path string) *Source {
	s := defaultSource()
	d.fields(n, path, s, map[string]func(*yaml.Node, string){
		"multiline": func(n *yaml.Node, path string) { d.fields(n, path, &s.Multiline, nil) },
		"parse":     func(n *yaml.Node, path string) { d.fields(n, path, &s.Parse, nil) },
		"templates": func(n *yaml.Node, path string) { d.fields(n, path, &s.Templates, nil) },
		"sequences": func(n *yaml.Node, path string) { d.fields(n, path, &s.Sequences, nil) },
		"rules": func(n *yaml.Node, path string) {
			d.list(n, path, func(n *yaml.Node, path string) {
				r := &Rule{}
				d.fields(n, path, r, nil)
				s.Rules = append(s.Rules, r)
			})
			unique(d, n, path, s.Rules, func(r *Rule) string { return r.Name })
		},
		"numbers": func(n *yaml.Node, path string) {
			d.list(n, path, func(n *yaml.Node, path string) {
				x := defaultNumber()
				d.fields(n, path, x, nil)
				s.Numbers = append(s.Numbers, x)
			})
			unique(d, n, path, s.Numbers, func(x *Number) string { return x.Name })
		},
		"fields": func(n *yaml.Node, path string) {
			d.list(n, path, func(n *yaml.Node, path string) {
				f := &Field{Max: 50}
				d.fields(n, path, f, nil)
				s.Fields = append(s.Fields, f)
			})
			unique(d, n, path, s.Fields, func(f *Field) string { return f.Name })
		},
	})
	for _, part := range []registry.Validator{&s.Multiline, &s.Templates} { // makes what is derived where nothing is said
		if err := part.Validate(); err != nil && len(d.mistakes) == 0 {
			d.mistake(n, path, "%v", err)
		}
	}
	return s
}

func (d *decoder) list(n *yaml.Node, path string, each func(*yaml.Node, string)) {
	if n.Kind != yaml.SequenceNode {
		d.mistake(n, path, "got %s, want a list", spell(n))
		return
	}
	for i, item := range n.Content {
		where := fmt.Sprintf("%s[%d]", path, i)
		if name := nameOf(item); name != "" {
			where += " (" + name + ")"
		}
		each(item, where)
	}
}

func nameOf(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == "name" {
				return n.Content[i+1].Value
			}
		}
	}
	return ""
}

// fields decodes a mapping onto an options struct, and its parts that are mappings or lists of such by functions of their own.
func (d *decoder) fields(n *yaml.Node, path string, target any, parts map[string]func(*yaml.Node, string)) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		d.mistake(n, path, "got %s, want fields", spell(n))
		return
	}
	known := []string{}
	for _, p := range registry.ParamsOf(target) {
		known = append(known, p.Name)
	}
	for p := range parts {
		known = append(known, p)
	}
	slices.Sort(known)
	values, seen := map[string]any{}, map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		switch part := parts[key.Value]; {
		case !slices.Contains(known, key.Value):
			d.mistake(key, path, "unknown field %q, want one of %s", key.Value, strings.Join(known, ", "))
		case seen[key.Value]:
			d.mistake(key, path, "the field %q stands there twice", key.Value)
		case part != nil:
			part(value, at)
		default:
			var v any
			if err := value.Decode(&v); err != nil {
				d.mistake(value, at, "%v", err)
				continue
			}
			values[key.Value] = v
		}
		seen[key.Value] = true
	}
	before := len(d.mistakes)
	if err := registry.DecodeInto(target, registry.FromMap(values)); err != nil && before == len(d.mistakes) {
		d.mistake(n, path, "%v", err)
	}
}

// spell shows what stands somewhere instead of what is wanted.
func spell(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "fields"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Value == "":
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

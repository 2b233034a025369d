package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds a configuration with its aliases expanded: far above any written by people, far below what an alias bomb makes.
const maxNodes = 200_000

// Error is one thing that is wrong with a configuration, in one sentence: line, path, value, what is allowed.
type Error struct {
	Line int    // 0 when no line is to blame
	Path string // such as routes[0].channels
	Text string
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	return b.String() + e.Text
}

// decoder puts YAML nodes onto structs, strictly: unknown and repeated fields are errors, absent ones keep their defaults.
type decoder struct {
	lines map[string]int // of every path seen, for errors found later
	nodes int
	errs  []error
}

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	d.errs = append(d.errs, &Error{n.Line, path, fmt.Sprintf(format, args...)})
}

// at turns a path like "routes[0].channels: …" at the beginning of an error into a line.
func (d *decoder) at(err error) error {
	path, text, ok := strings.Cut(err.Error(), ": ")
	if !ok || strings.ContainsAny(path, " \"") {
		return err
	}
	for p := path; ; {
		if line, ok := d.lines[p]; ok {
			return &Error{line, path, text}
		}
		i := max(strings.LastIndexByte(p, '.'), strings.LastIndexByte(p, '['))
		if i < 0 {
			return &Error{0, path, text}
		}
		p = p[:i]
	}
}

// each turns every error of a joined one into one with its line.
func (d *decoder) each(err error) (out []error) {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{d.at(err)}
	}
	for _, e := range joined.Unwrap() {
		out = append(out, d.at(e))
	}
	return out
}

var (
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
	channels = reflect.TypeFor[Channels]()
)

// resolveAlias follows aliases; false when the document is too large with them, or one contains itself.
func (d *decoder) resolveAlias(n *yaml.Node, path string) (*yaml.Node, bool) {
	d.nodes++
	if d.nodes == maxNodes {
		d.fail(n, path, "the configuration has more than %d values: want fewer (aliases count each time)", maxNodes)
	}
	if d.nodes >= maxNodes {
		return n, false
	}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n, true
}

func (d *decoder) value(n *yaml.Node, path string, v reflect.Value) {
	n, ok := d.resolveAlias(n, path)
	if !ok {
		return
	}
	if _, seen := d.lines[path]; !seen {
		d.lines[path] = n.Line
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // as if it were absent
	}
	switch {
	case v.Type() == channels:
		d.channels(n, path, v)
	case v.Addr().Type().Implements(textType):
		if d.scalar(n, path, "text") {
			if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
				d.fail(n, path, "%s", err)
			}
		}
	case v.Kind() == reflect.Struct:
		d.object(n, path, v)
	case v.Kind() == reflect.Slice:
		d.list(n, path, v)
	case v.Kind() == reflect.Map:
		d.dictionary(n, path, v)
	default:
		d.plain(n, path, v)
	}
}

// scalar says what a list or a mapping in the place of one value should be. It does not show it: it may be a secret.
func (d *decoder) scalar(n *yaml.Node, path, want string) bool {
	if n.Kind == yaml.ScalarNode {
		return true
	}
	d.fail(n, path, "got %s, want %s", kindName(n), want)
	return false
}

// kindName names what was given without showing it.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "text"
}

// shown is a value for an error where a short plain value is due. What may be more than that, such as an address with a password in the
// wrong line, is not shown.
func shown(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || len(n.Value) > 64 || strings.ContainsAny(n.Value, ":@/") {
		return kindName(n)
	}
	return strconv.Quote(n.Value)
}

func (d *decoder) plain(n *yaml.Node, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		// The text as written, whatever YAML takes it for: a channel may be called 0123 or yes.
		if d.scalar(n, path, "text") {
			v.SetString(n.Value)
		}
	case reflect.Bool:
		var b bool
		if n.Kind != yaml.ScalarNode || n.Decode(&b) != nil {
			d.fail(n, path, "got %s, want true or false", shown(n))
			return
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		var i int64
		if n.Kind != yaml.ScalarNode || n.Decode(&i) != nil {
			d.fail(n, path, "got %s, want a whole number", shown(n))
			return
		}
		v.SetInt(i)
	case reflect.Float64:
		var f float64
		if n.Kind != yaml.ScalarNode || n.Decode(&f) != nil {
			d.fail(n, path, "got %s, want a number", shown(n))
			return
		}
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("config: %s has type %s, which is not decoded", path, v.Type()))
	}
}

// field is one name that may be written in a mapping.
type field struct {
	name  string
	index []int
}

// fieldsOf lists the fields of a struct by their yaml names; embedded ones are flattened.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if sf.Anonymous && name == "" {
			for _, f := range fieldsOf(sf.Type) {
				out = append(out, field{f.name, append([]int{i}, f.index...)})
			}
			continue
		}
		if sf.IsExported() && name != "" && name != "-" {
			out = append(out, field{name, []int{i}})
		}
	}
	return out
}

// entries walks a mapping and reports names that are written twice.
func (d *decoder) entries(n *yaml.Node, path string, each func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "got %s, want a mapping of names to values", kindName(n))
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if line, dup := first[key.Value]; dup {
			at := path
			if shown(key) != kindName(key) {
				at = join(path, key.Value)
			}
			d.fail(key, at, "is written twice: want it once (the first is on line %d)", line)
			continue
		}
		first[key.Value] = key.Line
		each(key, value)
	}
}

func (d *decoder) object(n *yaml.Node, path string, v reflect.Value) {
	fields := fieldsOf(v.Type())
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	d.entries(n, path, func(key, value *yaml.Node) {
		i := slices.Index(names, key.Value)
		if i < 0 {
			d.fail(key, path, "unknown field %s: want one of %s", shown(key), strings.Join(names, ", "))
			return
		}
		d.lines[join(path, key.Value)] = key.Line
		d.value(value, join(path, key.Value), v.FieldByIndex(fields[i].index))
	})
}

func (d *decoder) list(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "got %s, want a list", kindName(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		d.value(c, fmt.Sprintf("%s[%d]", path, i), out.Index(i))
	}
	v.Set(out)
}

func (d *decoder) dictionary(n *yaml.Node, path string, v reflect.Value) {
	out := reflect.MakeMap(v.Type())
	d.entries(n, path, func(key, value *yaml.Node) {
		if !goodName(key.Value) {
			d.fail(key, path, "name %s: want 1 to 64 letters, digits, '-', '_' or '.'", shown(key))
			return
		}
		one := reflect.New(v.Type().Elem()).Elem()
		d.value(value, join(path, key.Value), one)
		out.SetMapIndex(reflect.ValueOf(key.Value), one)
	})
	v.Set(out)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// tree parses the text. An empty document is an empty mapping.
func tree(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, yamlError(err)
	}
	if doc.Kind == 0 || len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return &yaml.Node{Kind: yaml.MappingNode, Line: 1}, nil
	}
	return doc.Content[0], nil
}

// yamlError words an error of the parser as ours: "yaml: line 3: …".
func yamlError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if n, _ := fmt.Sscanf(text, "line %d:", &line); n == 1 {
		_, text, _ = strings.Cut(text, ": ")
	}
	if strings.Contains(text, "anchor") {
		text = "an alias (*name) names no anchor: want quotes around a text that begins with *" // the name may be a password
	}
	return &Error{Line: line, Text: "this is not YAML: " + text}
}

var errNoChannel = errors.New("channels: is empty: want at least one channel, such as log: {type: log}")

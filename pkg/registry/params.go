package registry

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Param describes one parameter of a member, for forms, completion and documentation.
type Param struct {
	Name string `json:"name"`
	// Type is one of "number", "integer", "boolean", "string", "duration", "enum", "strings", "numbers".
	Type    string   `json:"type"`
	Help    string   `json:"help"`
	Unit    string   `json:"unit,omitempty"`
	Default any      `json:"default"`
	Min     *float64 `json:"min,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	Enum    []string `json:"enum,omitempty"`
}

// field is a Param with the place that it describes.
type field struct {
	Param
	index []int
}

// ParamsOf describes the exported, JSON-named fields of an options struct (a pointer or a value), in order; embedded structs are flattened.
// Tags: json (the name), help, unit, min, max (numbers; for durations in seconds), enum (comma separated). The defaults are the values found.
// It panics on a field type or tag that has no parameter type: a programming error that any test over the registry finds.
func ParamsOf(options any) []Param {
	fields := fieldsOf(options)
	params := make([]Param, len(fields))
	for i, f := range fields {
		params[i] = f.Param
	}
	return params
}

func fieldsOf(options any) []field {
	v := reflect.ValueOf(options)
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		panic(fmt.Sprintf("registry: options of type %T: want a struct", options))
	}
	return collect(v, nil, nil)
}

func collect(v reflect.Value, index []int, out []field) []field {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		at := append(append([]int(nil), index...), i)
		if sf.Anonymous && sf.Type.Kind() == reflect.Struct && sf.Tag.Get("json") == "" {
			out = collect(v.Field(i), at, out)
			continue
		}
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if !sf.IsExported() || name == "" || name == "-" {
			continue
		}
		out = append(out, field{Param: describe(sf, name, v.Field(i)), index: at})
	}
	return out
}

var durationType = reflect.TypeFor[Duration]()

func describe(sf reflect.StructField, name string, v reflect.Value) Param {
	p := Param{Name: name, Help: sf.Tag.Get("help"), Unit: sf.Tag.Get("unit"), Default: v.Interface()}
	if e := sf.Tag.Get("enum"); e != "" {
		p.Enum = strings.Split(e, ",")
	}
	switch {
	case sf.Type == durationType:
		p.Type = "duration"
		p.Default = v.Interface().(Duration).String()
	case sf.Type.Kind() == reflect.Float64:
		p.Type = "number"
	case sf.Type.Kind() == reflect.Int || sf.Type.Kind() == reflect.Int64:
		p.Type = "integer"
	case sf.Type.Kind() == reflect.Bool:
		p.Type = "boolean"
	case sf.Type.Kind() == reflect.String && p.Enum != nil:
		p.Type = "enum"
	case sf.Type.Kind() == reflect.String:
		p.Type = "string"
	case sf.Type == reflect.TypeFor[[]string]():
		p.Type = "strings"
	case sf.Type == reflect.TypeFor[[]float64]():
		p.Type = "numbers"
	default:
		panic(fmt.Sprintf("registry: field %s has type %s, which no parameter type describes", sf.Name, sf.Type))
	}
	p.Min, p.Max = bound(sf, "min"), bound(sf, "max")
	return p
}

func bound(sf reflect.StructField, tag string) *float64 {
	text, ok := sf.Tag.Lookup(tag)
	if !ok {
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(fmt.Sprintf("registry: field %s: tag %s=%q is not a number", sf.Name, tag, text))
	}
	return &f
}

// check holds a decoded value against the tags of its field.
func (f field) check(v reflect.Value) error {
	switch f.Type {
	case "duration":
		d := v.Interface().(Duration)
		sec := d.Std().Seconds()
		return f.inRange(sec, func(x float64) string { return Duration(x * 1e9).String() }, d.String())
	case "number":
		return f.inRange(v.Float(), number, number(v.Float()))
	case "integer":
		return f.inRange(float64(v.Int()), number, strconv.FormatInt(v.Int(), 10))
	case "enum":
		for _, e := range f.Enum {
			if v.String() == e {
				return nil
			}
		}
		return fmt.Errorf("parameter %q: got %q, want one of %s", f.Name, v.String(), strings.Join(f.Enum, ", "))
	}
	return nil
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

func (f field) inRange(x float64, text func(float64) string, got string) error {
	low, high := f.Min != nil && !(x >= *f.Min), f.Max != nil && !(x <= *f.Max)
	if !low && !high {
		return nil
	}
	unit := ""
	if f.Unit != "" {
		unit = " " + f.Unit
	}
	switch {
	case f.Min != nil && f.Max != nil:
		return fmt.Errorf("parameter %q: got %s, want %s to %s%s", f.Name, got, text(*f.Min), text(*f.Max), unit)
	case low:
		return fmt.Errorf("parameter %q: got %s, want at least %s%s", f.Name, got, text(*f.Min), unit)
	default:
		return fmt.Errorf("parameter %q: got %s, want at most %s%s", f.Name, got, text(*f.Max), unit)
	}
}

// want says in words what a parameter takes.
func (p Param) want() string {
	switch p.Type {
	case "number":
		return "a number"
	case "integer":
		return "a whole number"
	case "boolean":
		return "true or false"
	case "duration":
		return "a duration like 90s, 5m, 12h or 7d"
	case "enum":
		return "one of " + strings.Join(p.Enum, ", ")
	case "strings":
		return "a list of strings"
	case "numbers":
		return "a list of numbers"
	}
	return "a string"
}

var _ json.Unmarshaler = (*Duration)(nil)

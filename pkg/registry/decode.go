package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Decode puts what a person wrote onto an options struct (a pointer). It is strict: an unknown name, a wrong type and a value outside
// its tags are errors that name the parameter, the value and what is allowed.
type Decode func(options any) error

// Validator is implemented by options with rules that tags cannot tell.
type Validator interface{ Validate() error }

// DecodeInto decodes onto the options (nil: leaves the defaults), checks every field against its tags, then calls Validate where there is one.
func DecodeInto(options any, decode Decode) error {
	if decode != nil {
		if err := decode(options); err != nil {
			return err
		}
	}
	v := reflect.ValueOf(options)
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() == reflect.Struct {
		for _, f := range fieldsOf(options) {
			if err := f.check(v.FieldByIndex(f.index)); err != nil {
				return err
			}
		}
	}
	if val, ok := options.(Validator); ok {
		return val.Validate()
	}
	return nil
}

// FromJSON decodes a JSON object. Empty input and null leave the defaults.
func FromJSON(raw json.RawMessage) Decode {
	return func(options any) error {
		raw = bytes.TrimSpace(raw)
		if len(raw) == 0 || string(raw) == "null" {
			return nil
		}
		object, err := objectOf(raw)
		if err != nil {
			return err
		}
		return decodeFields(options, object, func(_ Param, raw json.RawMessage) (json.RawMessage, error) { return raw, nil })
	}
}

// FromMap decodes what a YAML or JSON library read into a map.
func FromMap(m map[string]any) Decode {
	return func(options any) error {
		if len(m) == 0 {
			return nil
		}
		object := make(map[string]json.RawMessage, len(m))
		for k, v := range m {
			raw, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("parameter %q: got %v, which has no JSON form", k, v)
			}
			object[k] = raw
		}
		return decodeFields(options, object, func(_ Param, raw json.RawMessage) (json.RawMessage, error) { return raw, nil })
	}
}

// FromStrings decodes key=value pairs of a shell or an URL; the parameter's type says how a value is read.
func FromStrings(m map[string]string) Decode {
	return func(options any) error {
		object := make(map[string]json.RawMessage, len(m))
		for k, v := range m {
			object[k], _ = json.Marshal(v)
		}
		return decodeFields(options, object, fromString)
	}
}

func fromString(p Param, raw json.RawMessage) (json.RawMessage, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	switch p.Type {
	case "number", "integer":
		if f, err := strconv.ParseFloat(s, 64); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("parameter %q: got %q, want %s", p.Name, s, p.want())
		}
		return json.RawMessage(s), nil
	case "boolean":
		return json.RawMessage(s), nil
	case "strings":
		return json.Marshal(strings.Split(s, ","))
	case "numbers":
		return json.RawMessage("[" + s + "]"), nil
	}
	return raw, nil
}

func objectOf(raw json.RawMessage) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	var object map[string]json.RawMessage
	if err := dec.Decode(&object); err != nil {
		return nil, fmt.Errorf("parameters: want a JSON object, got %s", shorten(raw))
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("parameters: want one JSON object, got more after it: %s", shorten(raw))
	}
	return object, nil
}

func decodeFields(options any, object map[string]json.RawMessage, form func(Param, json.RawMessage) (json.RawMessage, error)) error {
	fields := fieldsOf(options)
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	v := reflect.ValueOf(options)
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	for _, k := range keys {
		i := slices.Index(names, k)
		if i < 0 {
			if len(names) == 0 {
				return fmt.Errorf("unknown parameter %q: it takes none", k)
			}
			return fmt.Errorf("unknown parameter %q: want one of %s", k, strings.Join(names, ", "))
		}
		raw, err := form(fields[i].Param, object[k])
		if err != nil {
			return err
		}
		target := v.FieldByIndex(fields[i].index)
		if string(raw) == "null" {
			return fmt.Errorf("parameter %q: got null, want %s", k, fields[i].want())
		}
		// A fresh value: decoding onto a default slice would write into the default's memory.
		fresh := reflect.New(target.Type())
		if err := json.Unmarshal(raw, fresh.Interface()); err != nil {
			return fmt.Errorf("parameter %q: got %s, want %s", k, shorten(raw), fields[i].want())
		}
		target.Set(fresh.Elem())
	}
	return nil
}

// shorten keeps error texts to one readable line.
func shorten(raw []byte) string {
	s := strings.Join(strings.Fields(string(raw)), " ")
	if r := []rune(s); len(r) > 80 {
		return string(r[:77]) + "..."
	}
	return s
}

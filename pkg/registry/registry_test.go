package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type member interface{ Name() string }

type cake struct {
	Layers  int      `json:"layers" help:"How high." min:"1" max:"9" unit:"layers"`
	Sugar   float64  `json:"sugar" help:"How sweet." min:"0"`
	Bake    Duration `json:"bake" help:"How long." min:"60" max:"7200"`
	Icing   string   `json:"icing" help:"What on top." enum:"none,lemon"`
	Vegan   bool     `json:"vegan" help:"Without eggs."`
	Guests  []string `json:"guests" help:"Who comes."`
	Private string   `json:"-"`
	oven    int
	base
}

type base struct {
	Budget float64 `json:"budget" help:"Embedded." min:"0.5" max:"2"`
}

func (c *cake) Name() string { return "cake" }
func (c *cake) Validate() error {
	if c.Vegan && c.Icing == "lemon" {
		return errors.New(`parameter "icing": got "lemon", want none for a vegan cake`)
	}
	return nil
}

func cakes() *Of[member] {
	r := NewOf[member]("pastry")
	r.Add(Entry[member]{Name: "cake", New: func() member {
		return &cake{Layers: 3, Bake: Duration(time.Hour), Icing: "none", Guests: []string{"Ada"}, oven: 1, base: base{Budget: 1}}
	}})
	r.Add(Entry[member]{Name: "bun", New: func() member { return &cake{} }})
	return r
}

func TestNewErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, json, want string }{
		{"pie", `{}`, `unknown pastry "pie": want one of bun, cake`},
		{"cake", `{"layer": 1}`, `pastry cake: unknown parameter "layer": want one of layers, sugar, bake, icing, vegan, guests, budget`},
		{"cake", `{"Private": "x"}`, `pastry cake: unknown parameter "Private": want one of layers, sugar, bake, icing, vegan, guests, budget`},
		{"cake", `{"layers": 1.5}`, `pastry cake: parameter "layers": got 1.5, want a whole number`},
		{"cake", `{"layers": 10}`, `pastry cake: parameter "layers": got 10, want 1 to 9 layers`},
		{"cake", `{"layers": null}`, `pastry cake: parameter "layers": got null, want a whole number`},
		{"cake", `{"sugar": -1}`, `pastry cake: parameter "sugar": got -1, want at least 0`},
		{"cake", `{"bake": 60}`, `pastry cake: parameter "bake": got 60, want a duration like 90s, 5m, 12h or 7d`},
		{"cake", `{"bake": "1s"}`, `pastry cake: parameter "bake": got 1s, want 1m to 2h`},
		{"cake", `{"icing": "mud"}`, `pastry cake: parameter "icing": got "mud", want one of none, lemon`},
		{"cake", `{"vegan": "yes"}`, `pastry cake: parameter "vegan": got "yes", want true or false`},
		{"cake", `{"guests": "Bob"}`, `pastry cake: parameter "guests": got "Bob", want a list of strings`},
		{"cake", `{"budget": 3}`, `pastry cake: parameter "budget": got 3, want 0.5 to 2`},
		{"cake", `{"vegan": true, "icing": "lemon"}`, `pastry cake: parameter "icing": got "lemon", want none for a vegan cake`},
		{"cake", `[1]`, `pastry cake: parameters: want a JSON object, got [1]`},
		{"cake", `{} {}`, `pastry cake: parameters: want one JSON object, got more after it: {} {}`},
	} {
		_, err := cakes().New(c.name, FromJSON(json.RawMessage(c.json)))
		if c.name == "pie" {
			if !errors.Is(err, ErrUnknown) || err.Error() != c.want {
				t.Errorf("%s: got %v, want %s", c.name, err, c.want)
			}
			continue
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.json, err, c.want)
		}
	}
}

func TestDecodeForms(t *testing.T) {
	t.Parallel()
	want := &cake{Layers: 4, Sugar: 0.5, Bake: Duration(90 * time.Minute), Icing: "lemon", Guests: []string{"Bob", "Eve"}, oven: 1, base: base{Budget: 2}}
	for name, decode := range map[string]Decode{
		"json":    FromJSON(json.RawMessage(`{"layers": 4, "sugar": 0.5, "bake": "1h30m", "icing": "lemon", "guests": ["Bob", "Eve"], "budget": 2}`)),
		"map":     FromMap(map[string]any{"layers": 4, "sugar": 0.5, "bake": "1h30m", "icing": "lemon", "guests": []any{"Bob", "Eve"}, "budget": 2}),
		"strings": FromStrings(map[string]string{"layers": "4", "sugar": "0.5", "bake": "1h30m", "icing": "lemon", "guests": "Bob,Eve", "budget": "2"}),
	} {
		got, err := cakes().New("cake", decode)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(want, got.(*cake), cmp.AllowUnexported(cake{}, base{})); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
	// What was decoded for one does not change the defaults of the next.
	again, err := cakes().New("cake", nil)
	if err != nil || again.(*cake).Guests[0] != "Ada" {
		t.Errorf("defaults: %+v, %v", again, err)
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	got, err := cakes().Params("cake")
	if err != nil {
		t.Fatal(err)
	}
	one, nine, zero, minute, hours, half, two := 1.0, 9.0, 0.0, 60.0, 7200.0, 0.5, 2.0
	want := []Param{
		{Name: "layers", Type: "integer", Help: "How high.", Unit: "layers", Default: 3, Min: &one, Max: &nine},
		{Name: "sugar", Type: "number", Help: "How sweet.", Default: 0.0, Min: &zero},
		{Name: "bake", Type: "duration", Help: "How long.", Default: "1h", Min: &minute, Max: &hours},
		{Name: "icing", Type: "enum", Help: "What on top.", Default: "none", Enum: []string{"none", "lemon"}},
		{Name: "vegan", Type: "boolean", Help: "Without eggs.", Default: false},
		{Name: "guests", Type: "strings", Help: "Who comes.", Default: []string{"Ada"}},
		{Name: "budget", Type: "number", Help: "Embedded.", Default: 1.0, Min: &half, Max: &two},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestAddRefusesMistakes(t *testing.T) {
	t.Parallel()
	for _, e := range []Entry[member]{{Name: "cake", New: func() member { return nil }}, {New: func() member { return nil }}, {Name: "pie"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("entry %q was accepted", e.Name)
				}
			}()
			cakes().Add(e)
		}()
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "90s": 90 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "1w2d": 9 * 24 * time.Hour,
		"250ms": 250 * time.Millisecond, "1y": 365 * 24 * time.Hour,
	} {
		got, err := ParseDuration(text)
		if err != nil || got.Std() != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
		if back, err := ParseDuration(got.String()); err != nil || back != got {
			t.Errorf("%s is written as %s, which reads as %v, %v", text, got, back, err)
		}
	}
	for _, text := range []string{"", "5", "m", "5x", "1m1h", "5m5m", "-5m", "1.5h", "99999999999y", " 5m", "5 m"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"0", "90s", "1w2d", "1h30m", "5", "ms", "9223372036854775807ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		back, err := ParseDuration(d.String())
		if err != nil || back != d || d < 0 {
			t.Errorf("%q reads as %d, which is written as %s", s, d, d)
		}
	})
}

// TestNumbers: a list of numbers, as JSON and YAML write it and as one text.
func TestNumbers(t *testing.T) {
	t.Parallel()
	type bounds struct {
		Le []float64 `json:"le"`
	}
	for want, decode := range map[string]Decode{
		"[0.5 1 20]": FromMap(map[string]any{"le": []any{0.5, 1, 2e1}}), "[1 2]": FromStrings(map[string]string{"le": "1,2"}), "[3]": FromJSON([]byte(`{"le": [3]}`)),
		`parameter "le": got ["x"], want a list of numbers`: FromMap(map[string]any{"le": []string{"x"}}),
		`parameter "le": got 5, want a list of numbers`:     FromJSON([]byte(`{"le": 5}`)),
		`parameter "le": got [1,x], want a list of numbers`: FromStrings(map[string]string{"le": "1,x"}),
	} {
		b := &bounds{Le: []float64{7}}
		var got string
		if err := DecodeInto(b, decode); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(b.Le)
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if p := ParamsOf(&bounds{}); p[0].Type != "numbers" {
		t.Errorf("%+v", p)
	}
}

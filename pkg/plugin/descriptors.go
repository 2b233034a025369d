package plugin

import (
	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
)

// Descriptors tell the query editor what there is to choose and to fill in, in one language; it draws its forms from them.
type Descriptors struct {
	Kinds     []KindDescriptor     `json:"kinds"`
	Detectors []DetectorDescriptor `json:"detectors"`
	Policy    []ParamDescriptor    `json:"policy"`
	Walk      []ParamDescriptor    `json:"walk"`
}

// KindDescriptor describes one kind of query.
type KindDescriptor struct {
	Name    string             `json:"name"`
	Title   string             `json:"title"`
	Summary string             `json:"summary"`
	Outputs []OutputDescriptor `json:"outputs"`
}

// OutputDescriptor describes one form of the answer.
type OutputDescriptor struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Help  string `json:"help"`
}

// DetectorDescriptor describes one detector and its parameters.
type DetectorDescriptor struct {
	Name    string            `json:"name"`
	Title   string            `json:"title"`
	Summary string            `json:"summary"`
	Source  string            `json:"source"`
	Params  []ParamDescriptor `json:"params"`
}

// ParamDescriptor describes one parameter. Title is what people call it; where it is empty the front end knows one, or shows the name.
type ParamDescriptor struct {
	registry.Param
	Title string `json:"title,omitempty"`
}

// describe returns the descriptors in a language. English comes from the code, other languages from the catalogue; what it lacks stays
// English, and a test fails.
func describe(lang string, zone string) Descriptors {
	d := Descriptors{
		Policy: translated(lang, "policy", registry.ParamsOf(detect.DefaultPolicy())),
		Walk:   translated(lang, "walk", registry.ParamsOf(detect.DefaultWalk())),
	}
	for i := range d.Walk {
		if d.Walk[i].Name == "zone" {
			d.Walk[i].Default = zone
		}
	}
	for _, name := range Kinds.Names() {
		e, err := Kinds.Get(name)
		if err != nil {
			continue // it was listed a moment ago
		}
		k := KindDescriptor{Name: name, Title: title(lang, "kind."+name, name), Summary: or(lang, "kind."+name+".summary", e.Summary)}
		for _, o := range e.New().Outputs() {
			key := "kind." + name + ".output." + o
			k.Outputs = append(k.Outputs, OutputDescriptor{Name: o, Title: title(lang, key, o), Help: or(lang, key+".help", "")})
		}
		d.Kinds = append(d.Kinds, k)
	}
	for _, name := range detect.Detectors.Names() {
		e, err := detect.Detectors.Get(name)
		if err != nil {
			continue
		}
		d.Detectors = append(d.Detectors, DetectorDescriptor{
			Name: name, Title: title(lang, "detector."+name, name), Summary: or(lang, "detector."+name+".summary", e.Summary), Source: e.Source,
			Params: translated(lang, "param."+name, registry.ParamsOf(e.New())),
		})
	}
	return d
}

// translated gives parameters the language's titles, help and units. Names, enums and defaults are what people write in queries: they stay.
func translated(lang, prefix string, params []registry.Param) []ParamDescriptor {
	out := make([]ParamDescriptor, len(params))
	for i, p := range params {
		p.Help = or(lang, prefix+"."+p.Name+".help", p.Help)
		if p.Unit != "" {
			p.Unit = or(lang, "unit."+p.Unit, p.Unit)
		}
		out[i] = ParamDescriptor{Param: p, Title: title(lang, prefix+"."+p.Name, "")}
	}
	return out
}

// or returns the text of a key, or the English text of the code where the language is English or the catalogue has none. The code is
// the source of English: the catalogue cannot drift from it.
func or(lang, key, english string) string {
	if (lang == message.English && english != "") || !message.Has(key) {
		return english
	}
	return message.Text(lang, key)
}

// title returns the title of a member, which stands in the catalogue in all languages; its name when there is none.
func title(lang, key, name string) string {
	if key += ".title"; message.Has(key) {
		return message.Text(lang, key)
	}
	return name
}

package plugin

import (
	"slices"

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
	// Detectors are those of a kind that has its own; else the common ones are meant. Detector is the default.
	Detectors []DetectorDescriptor `json:"detectors,omitempty"`
	Detector  string               `json:"detector,omitempty"`
	// Dimensions is set where several named expressions may stand in place of one.
	Dimensions bool `json:"dimensions,omitempty"`
	// Plain is set where the kind has no expression, no detector and no policy: Fields are all that there is to fill in.
	Plain bool `json:"plain,omitempty"`
	// Fields are those that this kind has besides the common ones. Where one is "of" and names another kind, that kind's detectors and dimensions are meant.
	Fields []ParamDescriptor `json:"fields,omitempty"`
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
		k.describe(lang, e.New())
		d.Kinds = append(d.Kinds, k)
	}
	// What judges metrics comes first: that is what the data source is for.
	slices.SortStableFunc(d.Kinds, func(a, b KindDescriptor) int { return rank(a) - rank(b) })
	d.Detectors = describeAll(lang, "detector.", "param.", detect.Detectors)
	return d
}

func rank(k KindDescriptor) int {
	if k.Plain {
		return 1
	}
	return 0
}

// describeAll describes the members of a registry of detectors; the prefixes are those of their texts in the catalogue.
func describeAll[T any](lang, prefix, params string, of *registry.Of[T]) []DetectorDescriptor {
	var out []DetectorDescriptor
	for _, name := range of.Names() {
		e, err := of.Get(name)
		if err != nil {
			continue // it was listed a moment ago
		}
		out = append(out, DetectorDescriptor{
			Name: name, Title: title(lang, prefix+name, name), Summary: or(lang, prefix+name+".summary", e.Summary), Source: e.Source,
			Params: translated(lang, params+name, registry.ParamsOf(e.New())),
		})
	}
	return out
}

// ownFields are the names of the fields that some kinds have and others do not.
var ownFields = []string{"last", "incidents", "cases", "wanted", "quick", "of", "group_by", "clean"}

// plainKind is a Kind without expression, detector and policy.
type plainKind interface{ plain() }

// describe adds what the kind has of its own.
func (k *KindDescriptor) describe(lang string, kind Kind) {
	_, k.Plain = kind.(plainKind)
	switch q := kind.(type) {
	case *jointQuery:
		k.Detectors, k.Detector, k.Dimensions = describeAll(lang, "joint.", "param.joint.", detect.Joints), q.Detector, true
	case *peersQuery:
		k.Detectors, k.Detector = describeAll(lang, "peers.", "param.peers.", detect.PeerDetectors), q.Detector
	}
	for _, p := range registry.ParamsOf(kind) {
		if slices.Contains(ownFields, p.Name) || k.Plain && p.Name != "output" {
			k.Fields = append(k.Fields, translated(lang, "kind."+k.Name, []registry.Param{p})...)
		}
	}
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

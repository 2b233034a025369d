package scorer

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// usualPeers is the detector of fleets when the rule names none.
const usualPeers = "mad"

// mostDimensions bounds the expressions of one rule, and with them the questions to the server.
const mostDimensions = 64

// fieldsFor returns the defaults for a rule: one that learns from less than the usual warm-up warms up for no longer than that, and fleets have a
// detector of their own.
func fieldsFor(s *section) func() Fields {
	f := DefaultFields()
	if n, ok := s.nodes["train"]; ok {
		if d, err := registry.ParseDuration(n.Value); err == nil {
			f.MinTrain = min(f.MinTrain, d)
		}
	}
	if n, ok := s.nodes["kind"]; ok && n.Value == kindPeers {
		f.Detector = usualPeers
	}
	return func() Fields { return f }
}

// dimensions reads the expressions of a vector.
func (p *fileParser) dimensions(s *section, r *Rule) {
	r.Dimensions = map[string]string{}
	for _, name := range s.names {
		n := s.nodes[name]
		if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" || strings.TrimSpace(name) == "" {
			p.problem(s.lines[name], "dimensions: field %q: got %s, want a name with a PromQL expression", name, spell(n))
			continue
		}
		r.Dimensions[name] = n.Value
	}
	if len(s.names) == 0 {
		p.problem(s.line, "field \"dimensions\": got none, want a PromQL expression for each")
	}
	if len(s.names) > mostDimensions {
		p.problem(s.line, "field \"dimensions\": got %d, want at most %d", len(s.names), mostDimensions)
	}
}

// detector builds the detector of a rule, which is of the rule's kind.
func (p *fileParser) detector(s, params *section, r *Rule) {
	switch r.Kind {
	case kindJoint:
		d, _ := detectorOf(p, detect.Joints, s, params, r)
		r.Joint = detect.JudgeJoint{Name: r.Detector, Detector: d, Walk: r.Walk, Policy: r.Policy}
	case kindPeers:
		d, _ := detectorOf(p, detect.PeerDetectors, s, params, r)
		r.Peers = detect.JudgePeers{Name: r.Detector, Detector: d, Walk: r.Walk, Policy: r.Policy}
	default:
		d, _ := detectorOf(p, detect.Detectors, s, params, r)
		r.Judge = detect.Judge{Name: r.Detector, Detector: d, Walk: r.Walk, Policy: r.Policy}
	}
}

// detectorOf builds the detector that the rule names, of those of its kind.
func detectorOf[T interface{ Validate() error }](p *fileParser, known *registry.Of[T], s, params *section, r *Rule) (d T, ok bool) {
	line := s.line
	if l, ok := s.lines["detector"]; ok {
		line = l
	}
	entry, err := known.Get(r.Detector)
	if err != nil {
		p.problem(line, "field \"detector\": %s", err)
		return d, false
	}
	if params == nil {
		params = &section{line: line}
	}
	// The pointer hides Validate from decode: it is called here, so that its error has a place.
	if !decode(p, "params", params, nil, entry.New, &d) {
		return d, false
	}
	if err := d.Validate(); err != nil {
		p.problem(params.line, "params: %s", strings.Replace(err.Error(), "parameter", "field", 1))
	}
	return d, true
}

// kind checks the fields that belong to some kinds only, and the expressions.
func (p *fileParser) kind(r *Rule, line func(field string) int) {
	var policy error
	switch r.Kind {
	case kindSeries:
		if len(r.GroupBy) > 0 {
			p.problem(line("group_by"), "field \"group_by\": got %q with kind series, want none: each series is judged alone", r.GroupBy)
		}
	case kindJoint:
		policy = r.Joint.Validate()
	case kindPeers:
		policy = r.Peers.Validate()
	}
	if policy != nil {
		p.problem(line("policy"), "policy: %s", strings.Replace(policy.Error(), "parameter", "field", 1))
	}
	_, named := r.Dimensions, r.Dimensions != nil
	expr := strings.TrimSpace(r.Expr) != ""
	switch {
	case named && r.Kind != kindJoint:
		p.problem(line("dimensions"), "field \"dimensions\": got some with kind %s, want none: they are those of a vector, of kind joint", r.Kind)
	case named && expr:
		p.problem(line("expr"), "field \"expr\": got one besides dimensions, want either")
	case !named && !expr && r.Kind == kindJoint:
		p.problem(r.Line, "field \"expr\": got nothing, want a PromQL expression, or dimensions with one for each")
		return
	case !named && !expr:
		p.problem(r.Line, "field \"expr\": got nothing, want a PromQL expression")
		return
	case named && len(r.Dimensions) == 0:
		return // none of them could be read: that is told
	}
	written := r.written()
	for i, q := range r.Queries(Prometheus{ScrapeInterval: p.scrape}) {
		field, _, _ := strings.Cut(q.Field, ".")
		if err := checkExpr(q.Expr, p.dialect); err != nil {
			p.problem(line(field), "field %q: got %q: %s", q.Field, short(written[i].Expr), err)
		}
	}
}

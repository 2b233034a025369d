package scorer

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// Problem is one thing that is wrong in a configuration file.
type Problem struct {
	File string
	Line int
	// Rule is the name of the rule it is in, "" outside of rules.
	Rule string
	// Text names the field, the value and what is allowed.
	Text string
}

// String returns one line: detectors.yml:12: rule "checkout": …
func (p Problem) String() string {
	s := p.File + ":" + strconv.Itoa(p.Line) + ": "
	if p.Rule != "" {
		s += "rule " + strconv.Quote(p.Rule) + ": "
	}
	return s + p.Text
}

// Problems is everything that is wrong in a file; as an error it has one line per problem.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, x := range p {
		lines[i] = x.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads a file. The error is Problems when its content is at fault; paths of secrets in it are relative to its directory.
func Load(file string) (Config, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return Config{}, err
	}
	c, err := Parse(file, raw)
	if err != nil {
		return Config{}, err
	}
	c.PrometheusHTTP.SetDirectory(filepath.Dir(file))
	c.RemoteWriteHTTP.SetDirectory(filepath.Dir(file))
	return c, nil
}

// Parse decodes and checks a configuration; file is its name in problems.
func Parse(file string, raw []byte) (Config, error) {
	p := &fileParser{file: file}
	c := Config{Prometheus: DefaultPrometheus(), PrometheusHTTP: defaultHTTP(), RemoteWriteHTTP: defaultHTTP()}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		line, text := yamlError(err)
		p.problem(line, "%s", text)
		return Config{}, p.problems
	}
	if len(doc.Content) == 0 {
		p.problem(1, "the file is empty, want a list of rules")
		return Config{}, p.problems
	}
	p.document(doc.Content[0], &c)
	if len(p.problems) > 0 {
		slices.SortStableFunc(p.problems, func(a, b Problem) int { return a.Line - b.Line })
		return Config{}, p.problems
	}
	return c, nil
}

// fileParser collects problems instead of stopping at the first.
type fileParser struct {
	file     string
	rule     string
	problems Problems
	defaults *yaml.Node
	// what expressions are checked with
	scrape  registry.Duration
	dialect string
}

func (p *fileParser) problem(line int, format string, args ...any) {
	p.problems = append(p.problems, Problem{File: p.file, Line: line, Rule: p.rule, Text: fmt.Sprintf(format, args...)})
}

// yamlError takes the line out of an error of the YAML package.
func yamlError(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	return max(line, 1), "not valid YAML: " + text
}

// section is one mapping: its entries by name, in their order.
type section struct {
	line  int
	names []string
	nodes map[string]*yaml.Node
	lines map[string]int
}

// section reads a mapping with the known names, nil when it is none.
func (p *fileParser) section(what string, n *yaml.Node, known []string) *section {
	n = resolved(n)
	if n.Kind != yaml.MappingNode {
		p.problem(n.Line, "%sgot %s, want fields: %s", prefix(what), spell(n), strings.Join(known, ", "))
		return nil
	}
	s := &section{line: n.Line, nodes: map[string]*yaml.Node{}, lines: map[string]int{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], resolved(n.Content[i+1])
		if known != nil && !slices.Contains(known, k.Value) {
			p.problem(k.Line, "%sunknown field %q, want one of %s", prefix(what), k.Value, strings.Join(known, ", "))
			continue
		}
		if _, twice := s.nodes[k.Value]; twice {
			p.problem(k.Line, "%sfield %q stands there twice, first in line %d", prefix(what), k.Value, s.lines[k.Value])
			continue
		}
		s.names = append(s.names, k.Value)
		s.nodes[k.Value], s.lines[k.Value] = v, k.Line
	}
	return s
}

func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// spell shows what stands somewhere instead of what is wanted.
func spell(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Value == "" {
		return "nothing"
	}
	return strconv.Quote(n.Value)
}

func (p *fileParser) document(n *yaml.Node, c *Config) {
	s := p.section("the file", n, []string{"prometheus", "remote_write", "defaults", "rules"})
	if s == nil {
		return
	}
	if n, ok := s.nodes["prometheus"]; ok {
		p.prometheus(n, c)
	}
	p.scrape, p.dialect = c.Prometheus.ScrapeInterval, c.Prometheus.Dialect
	if n, ok := s.nodes["remote_write"]; ok {
		p.remoteWrite(n, c)
	}
	if n, ok := s.nodes["defaults"]; ok {
		p.defaults = n
		before := len(p.problems)
		_, _ = p.decodeRule("defaults", defaultNames(), n, nil)
		if len(p.problems) > before {
			p.defaults = nil // told once, not again in every rule
		}
	}
	n, ok := s.nodes["rules"]
	if !ok || n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.problem(s.line, "field \"rules\": want a list of at least one rule")
		return
	}
	seen := map[string]int{}
	for i, item := range n.Content {
		r, ok := p.oneRule(i, resolved(item))
		if r.Name != "" {
			p.rule = r.Name
			if line, twice := seen[r.Name]; twice {
				p.problem(item.Line, "field \"name\": got %q, want a name that no other rule has: so does the rule in line %d", r.Name, line)
			}
			seen[r.Name] = item.Line
			p.rule = ""
		}
		if ok {
			c.Rules = append(c.Rules, r)
		}
	}
}

func (p *fileParser) prometheus(n *yaml.Node, c *Config) {
	s := p.section("prometheus", n, append(namesOf(c.Prometheus), "http_config"))
	if s == nil {
		return
	}
	p.http("prometheus.http_config", s, &c.PrometheusHTTP)
	decode(p, "prometheus", s, []string{"http_config"}, DefaultPrometheus, &c.Prometheus)
	if line, ok := s.lines["url"]; ok {
		p.url("prometheus.url", line, c.Prometheus.URL)
	}
}

func (p *fileParser) remoteWrite(n *yaml.Node, c *Config) {
	s := p.section("remote_write", n, append(namesOf(c.RemoteWrite), "http_config"))
	if s == nil {
		return
	}
	p.http("remote_write.http_config", s, &c.RemoteWriteHTTP)
	decode(p, "remote_write", s, []string{"http_config"}, DefaultRemoteWrite, &c.RemoteWrite)
	p.url("remote_write.url", s.line, c.RemoteWrite.URL)
}

func namesOf(options any) []string {
	var names []string
	for _, param := range registry.ParamsOf(options) {
		names = append(names, param.Name)
	}
	return names
}

// quotedParam finds the parameter that an error of the registry names.
var quotedParam = regexp.MustCompile(`parameter "([^"]*)"`)

// decode puts the plain fields of a section onto out, which stays as fresh makes it when there are problems. Every problem is told, with its own line.
func decode[T any](p *fileParser, what string, s *section, besides []string, fresh func() T, out *T) bool {
	values := map[string]any{}
	for _, name := range s.names {
		if slices.Contains(besides, name) {
			continue
		}
		var v any
		if err := s.nodes[name].Decode(&v); err != nil {
			_, text := yamlError(err)
			p.problem(s.lines[name], "%s: field %q: %s", what, name, text)
			continue
		}
		values[name] = v
	}
	good := true
	for {
		options := fresh()
		err := registry.DecodeInto(&options, registry.FromMap(values))
		if err == nil {
			*out = options
			return good
		}
		good = false
		if !p.blame(what, s, values, err) {
			*out = options // wrong, but the rest of it can be checked
			return false
		}
	}
}

// blame reports an error at the line of the field that it names and takes that field away; false when it names none that is there.
func (p *fileParser) blame(what string, s *section, values map[string]any, err error) bool {
	text := strings.Replace(err.Error(), "parameter", "field", 1)
	if m := quotedParam.FindStringSubmatch(err.Error()); m != nil {
		if _, there := values[m[1]]; there {
			p.problem(s.lines[m[1]], "%s%s", prefix(what), text)
			delete(values, m[1])
			return true
		}
	}
	p.problem(s.line, "%s%s", prefix(what), text)
	return false
}

// blockNames are the fields of a rule that are mappings themselves.
var blockNames = []string{"params", "policy", "labels", "dimensions"}

func ruleNames() []string { return append(namesOf(DefaultFields()), blockNames...) }

// defaultNames are the fields that defaults may hold: not what is a rule's own.
func defaultNames() []string {
	return slices.DeleteFunc(ruleNames(), func(n string) bool { return n == "name" || n == "expr" || n == "params" || n == "dimensions" })
}

func (p *fileParser) oneRule(i int, n *yaml.Node) (Rule, bool) {
	p.rule = "#" + strconv.Itoa(i+1)
	defer func() { p.rule = "" }()
	if n.Kind == yaml.MappingNode {
		for k := 0; k+1 < len(n.Content); k += 2 {
			if n.Content[k].Value == "name" && n.Content[k+1].Value != "" {
				p.rule = n.Content[k+1].Value
			}
		}
	}
	before := len(p.problems)
	r, lines := p.decodeRule("", ruleNames(), n, p.defaults)
	r.Line = n.Line
	if lines != nil {
		p.finish(&r, lines)
	}
	return r, len(p.problems) == before
}

// merged is a section with the fields of base that it lacks.
func (s *section) merge(base *section) {
	for _, name := range base.names {
		if _, own := s.nodes[name]; !own {
			s.names = append(s.names, name)
			s.nodes[name], s.lines[name] = base.nodes[name], base.lines[name]
		}
	}
}

// decodeRule decodes a rule, or the defaults of all, with what base holds where the rule is silent. policy and labels merge field by field.
func (p *fileParser) decodeRule(what string, known []string, n, base *yaml.Node) (r Rule, lines map[string]int) {
	r = Rule{Fields: DefaultFields(), Policy: detect.DefaultPolicy(), Labels: map[string]string{}}
	s := p.section(what, n, known)
	if s == nil {
		return r, nil
	}
	lines = maps.Clone(s.lines)
	blocks := map[string]*section{}
	for _, name := range blockNames {
		if at, ok := s.nodes[name]; ok {
			want := []string(nil)
			if name == "policy" {
				want = namesOf(r.Policy)
			}
			blocks[name] = p.section(strings.TrimPrefix(what+"."+name, "."), at, want)
		}
	}
	if base != nil {
		outer := &fileParser{file: p.file} // its problems are told already
		if b := outer.section("defaults", base, known); b != nil {
			for _, name := range []string{"policy", "labels"} {
				if at, ok := b.nodes[name]; ok {
					inner := outer.section(name, at, nil)
					if blocks[name] != nil {
						blocks[name].merge(inner)
					} else if _, own := s.nodes[name]; !own {
						blocks[name] = inner
					}
				}
			}
			s.merge(b)
		}
	}
	decode(p, what, s, blockNames, fieldsFor(s), &r.Fields)
	if b := blocks["policy"]; b != nil {
		decode(p, strings.TrimPrefix(what+".policy", "."), b, nil, detect.DefaultPolicy, &r.Policy)
	}
	if b := blocks["labels"]; b != nil {
		p.labels(b, &r)
	}
	if b := blocks["dimensions"]; b != nil {
		p.dimensions(b, &r)
	}
	p.detector(s, blocks["params"], &r)
	return r, lines
}

// prefix puts a place in front of a text, when there is one to name.
func prefix(what string) string {
	if what == "" {
		return ""
	}
	return what + ": "
}

// finish checks what a rule needs as a whole.
func (p *fileParser) finish(r *Rule, lines map[string]int) {
	line := func(field string) int {
		if l, ok := lines[field]; ok {
			return l
		}
		return r.Line
	}
	switch {
	case r.Name == "":
		p.problem(r.Line, "field \"name\": got nothing, want a name that no other rule has")
	case !model.LabelValue(r.Name).IsValid():
		p.problem(line("name"), "field \"name\": got %q, want valid UTF-8", r.Name)
	}
	if r.Selftest == "off" && strings.TrimSpace(r.SelftestReason) == "" {
		p.problem(line("selftest"), "field \"selftest\": got \"off\" without selftest_reason, want the reason: whoever reads the rule later will ask")
	}
	if r.Interval%r.Step != 0 {
		p.problem(line("interval"), "field \"interval\": got %s, want a multiple of the step, which is %s", r.Interval, r.Step)
	}
	if err := r.Fits(r.Policy); err != nil {
		p.problem(line("policy"), "policy: %s", strings.Replace(err.Error(), "parameter", "field", 1))
	}
	p.kind(r, line)
}

var errReserved = errors.New("rule, replica and __name__ are set by the scorer")

func (p *fileParser) labels(s *section, r *Rule) {
	for _, name := range s.names {
		n := s.nodes[name]
		switch {
		case slices.Contains([]string{"rule", "replica", "__name__"}, name):
			p.problem(s.lines[name], "labels: got %q, want another name: %s", name, errReserved)
		case !model.UTF8Validation.IsValidLabelName(name):
			p.problem(s.lines[name], "labels: got %q, want a label name", name)
		case n.Kind != yaml.ScalarNode:
			p.problem(s.lines[name], "labels: field %q: got %s, want a string", name, spell(n))
		default:
			r.Labels[name] = n.Value
		}
	}
}

// short keeps a problem to one line.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 100 {
		return string(r[:97]) + "..."
	}
	return s
}

package digest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/foreshock/foreshock/exporter/follow"
	"github.com/foreshock/foreshock/pkg/logs"
	"github.com/foreshock/foreshock/pkg/registry"
)

// Config is logs.yml, decoded and checked.
type Config struct {
	Global
	Sources []*Source
}

// Global is what is said once for all sources.
type Global struct {
	State       string            `json:"state" help:"Directory for positions and counts, one file for each source; empty: nothing is kept."`
	CPUShare    float64           `json:"cpu_share" min:"0.001" max:"64" help:"Share of one core that all sources together may take."`
	Poll        registry.Duration `json:"poll" min:"0.01" max:"3600" help:"How often to look for new lines when none are waiting."`
	Commit      registry.Duration `json:"commit" min:"0.01" max:"3600" help:"How often positions and counts are saved, and then published."`
	SampleAbove int64             `json:"sample_above" min:"0" unit:"bytes" help:"From how far behind on messages are only sampled for all but lines and bytes; 0: never."`
}

// Source is one log, or a group of like ones, that is read as one.
type Source struct {
	Name        string   `json:"name" help:"Name of the source: the label source of its series."`
	Files       []string `json:"files" help:"Paths or patterns (* ? [a-z]) of files."`
	SkipFiles   []string `json:"skip_files" help:"Patterns of paths or file names to leave out; compressed files are always."`
	Journal     []string `json:"journal" help:"Directories of the systemd journal, such as /var/log/journal and /run/log/journal."`
	Units       []string `json:"units" help:"Patterns of systemd units; with journal only."`
	Identifiers []string `json:"identifiers" help:"Patterns of syslog identifiers; with journal only."`
	Format      string   `json:"format" enum:"auto,plain,docker,cri" help:"How lines are wrapped; auto: by the path."`
	From        string   `json:"from" enum:"end,beginning" help:"Where to begin with what is there at the very first start."`
	MaxLine     int      `json:"max_line" min:"64" max:"16777216" unit:"bytes" help:"What is kept of a line."`
	MaxFiles    int      `json:"max_files" min:"1" max:"100000" help:"Files that are open at a time."`
	Include     []string `json:"include" help:"Regular expressions: only messages that one of them matches are looked at."`
	Exclude     []string `json:"exclude" help:"Regular expressions: messages that one of them matches are left out."`

	Multiline Multiline `json:"-"`
	Parse     Parse     `json:"-"`
	Rules     []*Rule   `json:"-"`
	Fields    []*Field  `json:"-"`
	Numbers   []*Number `json:"-"`
	Templates Templates `json:"-"`
	Sequences Sequences `json:"-"`

	include, exclude []*regexp.Regexp
}

// Multiline says which lines belong together.
type Multiline struct {
	Mode     string            `json:"mode" enum:"auto,off" help:"auto: what is indented, causes and tracebacks go with the line before."`
	Start    string            `json:"start" help:"Regular expression of a message's first line; all others go with the line before."`
	Continue string            `json:"continue" help:"Regular expression of lines that go with the line before."`
	MaxLines int               `json:"max_lines" min:"1" max:"100000" help:"Lines of one message."`
	MaxBytes int               `json:"max_bytes" min:"64" max:"16777216" help:"Bytes of one message; the rest is cut off."`
	Wait     registry.Duration `json:"wait" min:"0" max:"3600" help:"After how long a message is complete although nothing came after it."`

	join follow.Join
}

// Parse takes messages apart.
type Parse struct {
	Format  string   `json:"format" enum:"none,json,logfmt,regexp" help:"How a message is taken apart into fields."`
	Pattern string   `json:"pattern" help:"For regexp: an expression with named groups, (?P<status>\\d+)."`
	Message []string `json:"message" help:"Fields that may hold the text proper; the first that is there is used for templates."`
	Level   []string `json:"level" help:"Fields that may hold the level."`

	pattern *regexp.Regexp
}

// Rule counts messages.
type Rule struct {
	Name    string   `json:"name" help:"Name of the rule: the label rule."`
	Words   []string `json:"words" help:"Texts of which one must be in the message."`
	Pattern string   `json:"pattern" help:"Regular expression that must match."`
	Levels  []string `json:"levels" help:"Levels of which the message must have one."`

	words   [][]byte
	pattern *regexp.Regexp
	levels  [numLevels]bool
}

// Field counts messages by the value of one field.
type Field struct {
	Name string `json:"name" help:"A field of the message, or one that the source knows: stream, file, container, pod, namespace, unit, identifier."`
	Max  int    `json:"max" min:"1" max:"10000" help:"Values that get a series of their own; all others count as \"other\"."`
}

// Templates says whether messages are sorted by their form.
type Templates struct {
	Enabled   bool              `json:"enabled" help:"Whether templates are mined."`
	Max       int               `json:"max" min:"16" max:"100000" help:"Templates that are kept; of more, those seen least recently are forgotten."`
	Published int               `json:"published" min:"1" max:"100000" help:"Templates that have series: those seen last."`
	Window    registry.Duration `json:"window" min:"1" max:"86400" help:"Lines of a template are counted over so long; after twelve such times it is known what is usual."`
	Protected []string          `json:"protected" help:"More words that tell templates apart."`
	Masks     []string          `json:"masks" help:"More regular expressions of what varies."`

	options logs.Options
}

// Sequences says how messages belong to sessions, whose order is judged.
type Sequences struct {
	Key       string            `json:"key" help:"Regular expression with one group: what messages of one session have in common, as a request id; empty: no sequences."`
	End       string            `json:"end" help:"Regular expression of a session's last message."`
	Idle      registry.Duration `json:"idle" min:"1" max:"604800" help:"After how long without a message a session is over."`
	MaxLength int               `json:"max_length" min:"2" max:"100000" help:"Messages after which a session is over."`
	MaxOpen   int               `json:"max_open" min:"1" max:"1000000" help:"Sessions at a time; of more, the oldest are over."`
	Model     string            `json:"model" help:"How sessions are judged."`
	Train     int               `json:"train" min:"10" max:"100000" help:"Sessions that a model is fitted to before any is judged, and again after as many more."`
}

// Default returns the configuration before anything is said.
func Default() Config {
	return Config{Global: Global{
		State: "/var/lib/foreshock-exporter/logs", CPUShare: 0.2, Poll: registry.Duration(1e9), Commit: registry.Duration(5e9), SampleAbove: 64 << 20,
	}}
}

func defaultSource() *Source {
	mined := logs.DefaultOptions()
	return &Source{
		Format: "auto", From: "end", MaxLine: 64 << 10, MaxFiles: 1000,
		Multiline: Multiline{Mode: "auto", MaxLines: 500, MaxBytes: 256 << 10, Wait: registry.Duration(3e9)},
		Parse: Parse{
			Format: "none", Message: []string{"msg", "message", "log", "event"}, Level: []string{"level", "lvl", "severity", "loglevel", "log.level"},
		},
		Templates: Templates{Enabled: true, Max: mined.MaxTemplates, Published: 200, Window: mined.Window},
		Sequences: Sequences{Idle: registry.Duration(60e9), MaxLength: 1000, MaxOpen: 10_000, Model: "auto", Train: logs.DefaultLearn},
	}
}

// Validate checks what tags cannot tell.
func (s *Source) Validate() (err error) {
	switch {
	case !sourceName.MatchString(s.Name):
		return fmt.Errorf("parameter \"name\": got %q, want a name of letters, digits, \".\", \"_\" and \"-\", at most 100", s.Name)
	case (len(s.Files) == 0) == (len(s.Journal) == 0):
		return fmt.Errorf("parameters \"files\" and \"journal\": want one of the two")
	case len(s.Journal) == 0 && len(s.Units)+len(s.Identifiers) > 0:
		return fmt.Errorf("parameters \"units\" and \"identifiers\": they belong to \"journal\"")
	}
	for _, list := range []struct {
		name     string
		patterns []string
	}{{"files", s.Files}, {"skip_files", s.SkipFiles}, {"units", s.Units}, {"identifiers", s.Identifiers}} {
		for _, p := range list.patterns {
			if _, err := filepath.Match(p, ""); err != nil || p == "" {
				return fmt.Errorf("parameter %q: got %q, want a path, or a pattern with * ? and [a-z]", list.name, p)
			}
		}
	}
	for _, p := range slices.Concat(s.Files, s.Journal) {
		if !filepath.IsAbs(p) {
			return fmt.Errorf("parameters \"files\" and \"journal\": got %q, want a path that begins with /", p)
		}
	}
	if s.include, err = compileAll("include", s.Include); err != nil {
		return err
	}
	s.exclude, err = compileAll("exclude", s.Exclude)
	return err
}

var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func compile(name, pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("parameter %q: got %q, want a regular expression: %w", name, pattern, err)
	}
	return re, nil
}

func compileAll(name string, patterns []string) (out []*regexp.Regexp, err error) {
	for _, p := range patterns {
		re, err := compile(name, p)
		if err != nil {
			return nil, err
		}
		if re == nil {
			return nil, fmt.Errorf("parameter %q: got an empty text, which matches every message", name)
		}
		out = append(out, re)
	}
	return out, nil
}

// Validate compiles the patterns.
func (m *Multiline) Validate() (err error) {
	m.join = follow.Join{Auto: m.Mode == "auto", MaxLines: m.MaxLines, MaxBytes: m.MaxBytes, Wait: m.Wait.Std()}
	if m.join.Start, err = compile("start", m.Start); err != nil {
		return err
	}
	m.join.Continue, err = compile("continue", m.Continue)
	return err
}

// Validate compiles the pattern.
func (p *Parse) Validate() (err error) {
	if (p.Format == "regexp") != (p.Pattern != "") {
		return fmt.Errorf("parameter \"pattern\": got %q with format %s, want one with format regexp only", p.Pattern, p.Format)
	}
	if p.pattern, err = compile("pattern", p.Pattern); err != nil {
		return err
	}
	if p.pattern != nil && !slices.ContainsFunc(p.pattern.SubexpNames(), func(n string) bool { return n != "" }) {
		return fmt.Errorf("parameter \"pattern\": got %q, want at least one named group, (?P<name>...)", p.Pattern)
	}
	return nil
}

// Validate compiles the pattern.
func (r *Rule) Validate() (err error) {
	if !sourceName.MatchString(r.Name) {
		return fmt.Errorf("parameter \"name\": got %q, want a name of letters, digits, \".\", \"_\" and \"-\"", r.Name)
	}
	if len(r.Words) == 0 && r.Pattern == "" && len(r.Levels) == 0 {
		return fmt.Errorf("rule %q: want \"words\", a \"pattern\" or \"levels\"", r.Name)
	}
	for _, w := range r.Words {
		if w == "" {
			return fmt.Errorf("parameter \"words\": got an empty text, which is in every message")
		}
		r.words = append(r.words, []byte(w))
	}
	for _, name := range r.Levels {
		at := slices.Index(levelNames[:], name)
		if at < 0 {
			return fmt.Errorf("parameter \"levels\": got %q, want some of %s", name, strings.Join(levelNames[:], ", "))
		}
		r.levels[at] = true
	}
	r.pattern, err = compile("pattern", r.Pattern)
	return err
}

// Validate checks the name.
func (f *Field) Validate() error {
	if f.Name == "" || len(f.Name) > 100 {
		return fmt.Errorf("parameter \"name\": got %q, want the name of a field", f.Name)
	}
	return nil
}

// Validate makes the options of the miner.
func (t *Templates) Validate() error {
	if _, err := compileAll("masks", t.Masks); err != nil {
		return err
	}
	t.options = logs.DefaultOptions()
	t.options.MaxTemplates, t.options.Protected = t.Max, t.Protected
	t.options.MaxSignatures = max(t.options.MaxSignatures, 2*t.Max)
	t.options.Masks, t.options.Window = t.Masks, t.Window
	return t.options.Validate()
}

// Validate checks the patterns.
func (q *Sequences) Validate() error {
	if q.Key == "" {
		return nil
	}
	key, err := compile("key", q.Key)
	if err != nil {
		return err
	}
	if key.NumSubexp() != 1 {
		return fmt.Errorf("parameter \"key\": got %q, want a regular expression with one group, as in request=(\\S+)", q.Key)
	}
	if _, err := compile("end", q.End); err != nil {
		return err
	}
	if _, err := logs.Sequences.Get(q.Model); err != nil {
		return fmt.Errorf("parameter \"model\": %w", err)
	}
	return nil
}

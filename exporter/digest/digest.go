// Package digest turns the records of a log into figures: lines, levels, rules, values of fields, templates, sequences.
//
// The idea: logs.yml says for each source what is looked at. A Pipeline is the follow.Handler of one source; it takes each record apart, counts, and
// keeps all counts in its state, so that they are saved together with the position. What it publishes is a copy of what was saved last: figures never go
// back when the program is killed, and no message is in them twice.
//
//	c, err := digest.Load("logs.yml")
//	p, err := digest.NewPipeline(c.Sources[0], problems)
//	stream := follow.Stream{Source: c.Sources[0].Open(problems), Handler: p, …}
//	p.Figures().Lines
//
// All sets are bounded: rules by the file, values of fields, templates and sessions by options. It reads no file but logs.yml and sends nothing.
package digest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/foreshock/foreshock/exporter/follow"
	"github.com/foreshock/foreshock/pkg/logs"
)

// Open returns what the source reads from.
func (s *Source) Open(report follow.Reporter, root func(string) string) follow.Source {
	if len(s.Journal) > 0 {
		return follow.NewJournal(follow.JournalOptions{
			Dirs: under(root, s.Journal), Units: s.Units, Identifiers: s.Identifiers, MaxLine: s.MaxLine, FromStart: s.From == "beginning",
			Discover: discover, Reporter: report,
		})
	}
	return follow.NewFiles(follow.FilesOptions{
		Paths: under(root, s.Files), Root: root("/"), Exclude: s.SkipFiles, Format: follow.Format(s.Format), Join: s.Multiline.join, MaxLine: s.MaxLine, MaxFiles: s.MaxFiles,
		FromStart: s.From == "beginning", Discover: discover, Linger: linger, Reporter: report,
	})
}

const (
	discover = 10 * time.Second
	linger   = 30 * time.Second // writers are told to open their log anew by then
)

func under(root func(string) string, paths []string) (out []string) {
	for _, p := range paths {
		out = append(out, root(p))
	}
	return out
}

// Pipeline digests one source. It is a follow.Handler; Figures and Templates may be called by others meanwhile.
type Pipeline struct {
	s         *Source
	report    follow.Reporter
	now       time.Time
	figures   Figures
	fields    []map[string]*uint64
	parsed    parsed
	variables []logs.Variable
	mine      *templates // nil: off
	sessions  *sessions  // nil: off
	saved     *Figures
	out       atomic.Pointer[Figures]
}

// NewPipeline returns a pipeline that has seen nothing.
func NewPipeline(s *Source, report follow.Reporter) (*Pipeline, error) {
	p := &Pipeline{s: s, report: report}
	for _, r := range s.Rules {
		p.figures.Rules = append(p.figures.Rules, RuleFigure{Name: r.Name})
	}
	for _, f := range s.Fields {
		p.figures.Fields = append(p.figures.Fields, FieldFigure{Name: f.Name})
		p.fields = append(p.fields, map[string]*uint64{})
	}
	for _, n := range s.Numbers {
		p.figures.Numbers = append(p.figures.Numbers, n.figure())
	}
	if s.Templates.Enabled {
		mine, err := newTemplates(&s.Templates)
		if err != nil {
			return nil, err
		}
		p.mine = mine
	}
	if s.Sequences.Key != "" {
		if p.mine == nil {
			return nil, fmt.Errorf("%s: \"sequences\" need \"templates\": they are sequences of these", s.Name)
		}
		var err error
		if p.sessions, err = newSessions(&s.Sequences, func(id logs.ID) logs.ID { return p.mine.miner.Resolve(id) }); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Figures returns what was published last, nil before the first time.
func (p *Pipeline) Figures() *Figures { return p.out.Load() }

// Take digests one record.
func (p *Pipeline) Take(r follow.Record) {
	f := &p.figures
	f.Lines += uint64(r.Lines)
	f.Bytes += uint64(r.Bytes)
	if r.Thin {
		f.Sampled++
		return
	}
	if !p.included(r.Text) {
		f.Excluded++
		return
	}
	clean := p.readable(r.Text)
	if !p.parsed.take(&p.s.Parse, r) {
		f.Unparsed++
		p.report.Report(ReasonParse, fmt.Sprintf("not %s: %.120q", p.s.Parse.Format, r.Text))
	}
	level := p.level(r.Text)
	f.Messages[level]++
	f.Last[level] = p.now
	p.rules(r.Text, level)
	p.count(level)
	var id logs.ID
	if clean {
		id = p.template(r, level)
	}
	p.numbers(id)
}

// template finds the template of a message, 0 where templates are off, and puts it into its session.
func (p *Pipeline) template(r follow.Record, level Level) logs.ID {
	text := r.Text
	if p.s.Parse.Format != "none" {
		if v, ok := p.parsed.first(p.s.Parse.Message); ok {
			text = v
		}
	}
	if p.mine == nil || len(bytes.TrimSpace(text)) == 0 {
		return 0
	}
	match := p.mine.take(text, level, p.now, &p.figures)
	if p.sessions != nil {
		if match.Moved {
			p.sessions.move()
		}
		p.sessions.take(r.Text, match.ID, p.now, &p.figures.Sequences)
	}
	return match.ID
}

func (p *Pipeline) included(text []byte) bool {
	for _, re := range p.s.exclude {
		if re.Match(text) {
			return false
		}
	}
	for _, re := range p.s.include {
		if re.Match(text) {
			return true
		}
	}
	return len(p.s.include) == 0
}

// readable reports whether a message is text. Such that is not valid UTF-8 still is, as old programs write Latin-1.
func (p *Pipeline) readable(text []byte) bool {
	control := 0
	for _, c := range text {
		if c == 0 {
			control = len(text)
			break
		}
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != 0x1b {
			control++
		}
	}
	if control*10 > len(text) {
		p.report.Report(ReasonBinary, fmt.Sprintf("%.60q", text))
		return false
	}
	if !utf8.Valid(text) {
		p.report.Report(ReasonUTF8, fmt.Sprintf("%.120q", text))
	}
	return true
}

func (p *Pipeline) level(text []byte) Level {
	if p.s.Parse.Format != "none" {
		if v, ok := p.parsed.first(p.s.Parse.Level); ok {
			if l := levelNamed(v); l != Unknown {
				return l
			}
			if n := json.Number(v); len(v) == 2 && digits(v) { // pino and bunyan: 30 is info
				if i, err := n.Int64(); err == nil && i%10 == 0 && i <= 60 {
					return [...]Level{Unknown, Trace, Debug, Info, Warn, Error, Fatal}[i/10]
				}
			}
		}
	}
	if v, ok := p.parsed.get("priority"); ok { // of the journal
		if l := levelNamed(v); l != Unknown && l != Info {
			return l
		}
		if l := levelOf(text); l != Unknown { // what services print is info to journald, whatever they say
			return l
		}
		return Info
	}
	return levelOf(text)
}

func (p *Pipeline) rules(text []byte, level Level) {
	for i, r := range p.s.Rules {
		if r.matches(text, level) {
			p.figures.Rules[i].Count++
			p.figures.Rules[i].Last = p.now
		}
	}
}

func (r *Rule) matches(text []byte, level Level) bool {
	if len(r.Levels) > 0 && !r.levels[level] {
		return false
	}
	found := len(r.words) == 0
	for _, w := range r.words {
		if found = bytes.Contains(text, w); found {
			break
		}
	}
	return found && (r.pattern == nil || r.pattern.Match(text))
}

// maxValue bounds a value that becomes a label.
const maxValue = 128

// count counts the values of fields.
func (p *Pipeline) count(level Level) {
	for i, f := range p.s.Fields {
		v, ok := p.parsed.get(f.Name)
		if !ok && f.Name == "level" {
			v, ok = []byte(level.String()), true
		}
		if !ok {
			continue
		}
		if len(v) > maxValue {
			v = v[:maxValue]
		}
		if n := p.fields[i][string(v)]; n != nil {
			*n++
			continue
		}
		if len(p.fields[i]) >= f.Max {
			if p.figures.Fields[i].Over++; p.figures.Fields[i].Over == 1 {
				p.report.Report(ReasonFull, fmt.Sprintf("field %s has more than %d values", f.Name, f.Max))
			}
			continue
		}
		one := uint64(1)
		p.fields[i][string(v)] = &one
	}
}

// Tick notes the time, which is that of the records that come next, and ends sessions that were idle.
func (p *Pipeline) Tick(now time.Time) bool {
	p.now = now
	return p.sessions != nil && p.sessions.expire(now, &p.figures.Sequences)
}

// saved is the state of a pipeline.
type saved struct {
	Version  int             `json:"version"`
	Figures  Figures         `json:"figures"`
	Counts   []templateCount `json:"templates,omitempty"`
	Miner    []byte          `json:"miner,omitempty"`
	Sessions *savedSessions  `json:"sessions,omitempty"`
}

const savedVersion = 1

var errSaved = errors.New("the saved figures are of another version")

// Save returns all counts and what the miner learnt.
func (p *Pipeline) Save() ([]byte, error) {
	f := p.figures
	f.Rules, f.Fields = append([]RuleFigure(nil), f.Rules...), append([]FieldFigure(nil), f.Fields...)
	for i := range f.Fields {
		f.Fields[i].Values = map[string]uint64{}
		for v, n := range p.fields[i] {
			f.Fields[i].Values[v] = *n
		}
	}
	f.Numbers = append([]NumberFigure(nil), f.Numbers...)
	for i := range f.Numbers {
		f.Numbers[i].Counts = append([]uint64(nil), f.Numbers[i].Counts...)
	}
	s := saved{Version: savedVersion}
	if p.sessions != nil {
		kept := p.sessions.save(&f.Sequences)
		s.Sessions = &kept
	}
	s.Figures = f
	if p.mine != nil {
		s.Miner, s.Counts = p.mine.save()
		p.mine.publish(&f)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write the figures: %w", err)
	}
	p.saved = &f
	return b, nil
}

// Load takes what Save returned. Rules and fields that are no longer asked for are left out.
func (p *Pipeline) Load(b []byte) error {
	var s saved
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("read the figures: %w", err)
	}
	if s.Version != savedVersion {
		return fmt.Errorf("%w: %d", errSaved, s.Version)
	}
	if p.mine != nil && s.Miner != nil {
		if err := p.mine.load(s.Miner, s.Counts); err != nil {
			return err
		}
	}
	if p.sessions != nil && s.Sessions != nil {
		if err := p.sessions.load(*s.Sessions, s.Figures.Sequences); err != nil {
			return err
		}
	}
	rules, fields, numbers := p.figures.Rules, p.figures.Fields, p.figures.Numbers
	p.figures = s.Figures
	p.figures.Rules, p.figures.Fields, p.figures.Numbers = rules, fields, numbers
	for i, n := range numbers {
		for _, old := range s.Figures.Numbers {
			if old.Name == n.Name && slices.Equal(old.Bounds, n.Bounds) && len(old.Counts) == len(n.Counts) {
				numbers[i] = old
			}
		}
	}
	for i, r := range rules {
		for _, old := range s.Figures.Rules {
			if old.Name == r.Name {
				rules[i] = old
			}
		}
	}
	for i, f := range fields {
		for _, old := range s.Figures.Fields {
			if old.Name == f.Name {
				fields[i] = FieldFigure{Name: f.Name, Over: old.Over}
				for v, n := range old.Values {
					p.fields[i][v] = &n
				}
			}
		}
	}
	if _, err := p.Save(); err != nil { // so that it can be published
		return err
	}
	return nil
}

// Publish makes visible what was saved last.
func (p *Pipeline) Publish(time.Time) {
	if p.saved != nil {
		p.out.Store(p.saved)
	}
}

// Templates returns all templates as of the last publication; nil when they are off. They are not to be changed.
func (p *Pipeline) Templates() []logs.Template {
	f := p.out.Load()
	if f == nil || f.All == nil {
		return nil
	}
	return f.All()
}

package digest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foreshock/foreshock/exporter/follow"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// pipe is a pipeline with a configuration of one source, whose text is indented under "- name: app".
func pipe(t *testing.T, config string) (*Pipeline, *Problems) {
	t.Helper()
	c, err := Decode("logs.yml", []byte("sources:\n- name: app\n  files: [/var/log/app.log]\n"+config))
	if err != nil {
		t.Fatal(err)
	}
	problems := NewProblems(slog.New(slog.DiscardHandler), func() time.Time { return noon })
	p, err := NewPipeline(c.Sources[0], problems)
	if err != nil {
		t.Fatal(err)
	}
	p.Tick(noon)
	return p, problems
}

func feed(p *Pipeline, lines ...string) {
	for _, l := range lines {
		p.Take(follow.Record{Text: []byte(l), Lines: 1, Bytes: int64(len(l)) + 1, Fields: []follow.Field{{Name: "stream", Value: "stderr"}}})
	}
}

// publish saves and publishes.
func publish(t *testing.T, p *Pipeline) *Figures {
	t.Helper()
	if _, err := p.Save(); err != nil {
		t.Fatal(err)
	}
	p.Publish(noon)
	return p.Figures()
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]Level{
		"2026-01-02 12:00:00,123 ERROR [main] org.x.Y: broken":                 Error,
		"2026-01-02T12:00:00Z\twarn\tcache/x.go:12\tslow":                      Warn,
		"[Fri Jan 02 12:00:00 2026] [error] [client 10.0.0.1] no such file":    Error,
		"2026/01/02 12:00:00 [crit] 12#12: *1 connect() failed":                Fatal,
		"E0102 12:00:00.123456       1 reflector.go:138] Failed to watch":      Error,
		"I0102 12:00:00.123456       1 server.go:10] Started":                  Info,
		"<11>Jan  2 12:00:00 web-1 sshd[4711]: failed":                         Error,
		"<30>Jan  2 12:00:00 web-1 systemd[1]: started":                        Info,
		`ts=2026-01-02T12:00:00Z caller=main.go:1 level=debug msg="x"`:         Debug,
		`{"ts":1,"level":"fatal","msg":"x"}`:                                   Fatal,
		`{"severity": "WARNING", "message": "x"}`:                              Warn,
		"panic: runtime error: index out of range":                             Fatal,
		"warning: unused variable":                                             Warn,
		"an error happened, and nobody said that it is one":                    Unknown,
		"GET /error/INFO.html 200":                                             Unknown,
		"the information is here":                                              Unknown,
		"":                                                                     Unknown,
		"TRACE enter":                                                          Trace,
		"081109 203518 143 INFO dfs.DataNode$DataXceiver: Receiving block blk": Info,
	} {
		if got := levelOf([]byte(line)); got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}

func TestPipeline(t *testing.T) {
	t.Parallel()
	p, problems := pipe(t, `
  exclude: ["^DEBUG healthcheck"]
  rules:
  - {name: oom, words: ["Out of memory", "OOM"]}
  - {name: slow, pattern: 'took [0-9]{4,} ms', levels: [warn, error]}
  fields: [{name: stream}, {name: level}]
`)
	feed(p, "ERROR Out of memory: killed process 12", "WARN query took 5000 ms", "INFO query took 5000 ms", "DEBUG healthcheck ok", "INFO query took 12 ms",
		"INFO user \xe4 came", "\x00\x01\x02\x03\x04 garbage")
	p.Take(follow.Record{Text: []byte("ERROR not looked at"), Lines: 1, Bytes: 20, Thin: true})
	f := publish(t, p)
	if f.Lines != 8 || f.Excluded != 1 || f.Sampled != 1 {
		t.Errorf("%d lines, %d excluded, %d sampled", f.Lines, f.Excluded, f.Sampled)
	}
	if diff := cmp.Diff([numLevels]uint64{Error: 1, Warn: 1, Info: 3, Unknown: 1}, f.Messages); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]RuleFigure{{"oom", 1, noon}, {"slow", 1, noon}}, f.Rules); diff != "" {
		t.Error(diff)
	}
	want := []FieldFigure{
		{Name: "stream", Values: map[string]uint64{"stderr": 6}},
		{Name: "level", Values: map[string]uint64{"error": 1, "warn": 1, "info": 3, "unknown": 1}},
	}
	if diff := cmp.Diff(want, f.Fields); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]uint64{ReasonBinary: 1, ReasonUTF8: 1}, problems.Counts()); diff != "" {
		t.Error(diff)
	}
	texts := map[string]uint64{}
	for _, x := range f.Templates {
		for _, n := range x.Messages {
			texts[x.Text] += n
		}
	}
	if texts["INFO query took <*> ms"] != 2 {
		t.Errorf("templates: %v", texts)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		parse, line, field, want string
		level                    Level
		template                 string
	}{
		"json":    {"{format: json}", `{"level":"warn","msg":"disk 5 full","http":{"status":503}}`, "http.status", "503", Warn, "disk <*> full"},
		"relayed": {"{format: json}", `Jan 2 web-1 app: {"level":50,"message":"x y z"}`, "message", "x y z", Error, "x y z"},
		"logfmt":  {"{format: logfmt}", `ts=1 level=error msg="it \"broke\" twice" code=12`, "code", "12", Error, `it "broke" twice`},
		"regexp": {
			`{format: regexp, pattern: '^\S+ (?P<status>\d+) (?P<message>.*)$'}`, "10.0.0.1 404 page not found", "status", "404", Unknown,
			"page not found",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, problems := pipe(t, "  parse: "+c.parse+"\n  fields: [{name: "+c.field+"}]\n")
			feed(p, c.line, "not in the format at all{")
			f := publish(t, p)
			if diff := cmp.Diff(map[string]uint64{c.want: 1}, f.Fields[0].Values); diff != "" {
				t.Error(diff)
			}
			if f.Messages[c.level] == 0 || f.Unparsed != 1 || problems.Counts()[ReasonParse] != 1 {
				t.Errorf("levels %v, not in the format: %d", f.Messages, f.Unparsed)
			}
			found := false
			for _, x := range f.Templates {
				found = found || x.Text == c.template
			}
			if !found {
				t.Errorf("no template %q in %+v", c.template, f.Templates)
			}
		})
	}
}

// TestRestart: a pipeline that is loaded goes on as if it had never ended.
func TestRestart(t *testing.T) {
	t.Parallel()
	const config = "  rules: [{name: a, words: [broke]}]\n  fields: [{name: stream}]\n" +
		"  parse: {format: regexp, pattern: 'request (?P<n>\\d+)'}\n  numbers: [{name: n, field: n, buckets: [1e5, 5e5]}]\n"
	r := rand.New(rand.NewPCG(1, 1))
	line := func() string {
		return fmt.Sprintf("%s request %d of user%d %s", []string{"INFO", "ERROR"}[r.IntN(2)], r.IntN(1e6), r.IntN(100), []string{"done", "broke", "left"}[r.IntN(3)])
	}
	one, _ := pipe(t, config)
	other, _ := pipe(t, config)
	for range 20 {
		for range 50 {
			l := line()
			feed(one, l)
			feed(other, l)
		}
		b, err := other.Save()
		if err != nil {
			t.Fatal(err)
		}
		other, _ = pipe(t, config)
		if err := other.Load(b); err != nil {
			t.Fatal(err)
		}
	}
	a, b := publish(t, one), publish(t, other)
	a.All, b.All, a.Miner.Signatures, b.Miner.Signatures = nil, nil, 0, 0
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
}

// TestPublished: what is published is what was saved, not what came since.
func TestPublished(t *testing.T) {
	t.Parallel()
	p, _ := pipe(t, "")
	feed(p, "INFO one")
	f := publish(t, p)
	feed(p, "INFO two")
	p.Publish(noon)
	if f.Lines != 1 || p.Figures().Lines != 1 || len(p.Templates()) != 1 {
		t.Errorf("published %d lines", p.Figures().Lines)
	}
}

// TestExplosion: random words, values and rules neither grow without bound nor pass silently.
func TestExplosion(t *testing.T) {
	t.Parallel()
	p, problems := pipe(t, "  parse: {format: logfmt}\n  templates: {max: 100, published: 20}\n  fields: [{name: id, max: 10}]\n")
	r := rand.New(rand.NewPCG(1, 1))
	word := func() string {
		b := make([]byte, 3+r.IntN(8))
		for i := range b {
			b[i] = byte('a' + r.IntN(26))
		}
		return string(b)
	}
	for range 20_000 {
		words := []string{"id=" + word()}
		for range 1 + r.IntN(12) {
			words = append(words, word())
		}
		feed(p, strings.Join(words, " "))
	}
	f := publish(t, p)
	if len(f.Templates) > 20 || f.Miner.Templates > 100 || len(f.Fields[0].Values) != 10 || f.Fields[0].Over != 20_000-10 || f.OverTemplates == 0 {
		t.Errorf("%d templates with series, %d in all, %d values", len(f.Templates), f.Miner.Templates, len(f.Fields[0].Values))
	}
	if problems.Counts()[ReasonFull] != 1 {
		t.Errorf("problems: %v", problems.Counts())
	}
}

func FuzzPipeline(f *testing.F) {
	f.Add("json", []byte(`{"a":{"b":1},"level":"x"}`))
	f.Add("logfmt", []byte(`a=b c="d \" =`))
	f.Add("none", []byte("<999>E1234 \xff\x00 [error]"))
	f.Fuzz(func(t *testing.T, format string, line []byte) {
		if format != "json" && format != "logfmt" {
			format = "none"
		}
		p, _ := pipe(t, "  parse: {format: "+format+"}\n  fields: [{name: a.b}, {name: c}]\n  rules: [{name: r, words: [x]}]\n")
		p.Take(follow.Record{Text: line, Lines: 1, Bytes: int64(len(line))})
		if sum := publish(t, p).Messages; sum == [numLevels]uint64{} {
			t.Fatal("not counted")
		}
	})
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	p, _ := pipe(t, "")
	feed(p, "INFO took 5 ms for 10.0.0.1", "INFO took 7 ms for 10.0.0.2")
	id := publish(t, p).Templates[0].ID.String()
	p, _ = pipe(t, "  numbers: [{name: took, template: "+id+", place: 1, scale: 0.001, buckets: [0.005, 0.05]}, {name: other, template: "+id+", place: 2}]\n")
	feed(p, "INFO took 5 ms for 10.0.0.1", "INFO took 7 ms for 10.0.0.2", "INFO took 900 ms for 10.0.0.3", "something else 12")
	f := publish(t, p).Numbers
	want := NumberFigure{Name: "took", Bounds: []float64{0.005, 0.05}, Counts: []uint64{1, 1, 1}, Sum: 0.912}
	if diff := cmp.Diff(want, f[0], cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Error(diff)
	}
	if f[1].Sum != 0 {
		t.Errorf("addresses are no numbers: %+v", f[1])
	}
}

// TestTemplatesAreMadeOnce: however many ask, the miner is restored once for each publication.
func TestTemplatesAreMadeOnce(t *testing.T) {
	t.Parallel()
	p, _ := pipe(t, "")
	feed(p, "INFO order 17 accepted", "INFO order 18 accepted")
	publish(t, p)
	first, second := p.Templates(), p.Templates()
	if len(first) == 0 || &first[0] != &second[0] {
		t.Errorf("%d and %d templates, made twice", len(first), len(second))
	}
	feed(p, "INFO order 19 accepted")
	publish(t, p)
	if third := p.Templates(); len(third) == 0 || &third[0] == &first[0] || third[0].Count <= first[0].Count {
		t.Errorf("after another publication: %+v, before: %+v", third, first)
	}
}

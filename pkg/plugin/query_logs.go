package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/logs"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func init() {
	Kinds.Add(registry.Entry[Kind]{
		Name:    "logs",
		Summary: "Templates of log lines, from the series that the exporter publishes or from lines in Loki: how often each comes, which are new or rare, and which sessions take an unusual path.",
		Source:  "docs/plugin.md",
		New: func() Kind {
			return &logsQuery{
				Step: registry.Duration(300e9), Top: 10, Before: registry.Day, Rare: 14, MaxLines: 50_000, Model: "auto", Output: outputTemplates,
			}
		},
	})
}

// The outputs of a logs query.
const (
	outputTemplates = "templates"
	outputNew       = "new"
	outputHistory   = "history"
	outputSequences = "sequences"
	outputFlow      = "flow"
)

// logsQuery asks what logs say.
type logsQuery struct {
	Selector string            `json:"selector" help:"Label matchers of the exporters, like instance=~\"web-.*\"; empty: all."`
	Log      string            `json:"log" help:"Name of the log source, as in the exporter's logs.yml; empty: all."`
	Template string            `json:"template" help:"Id of the template whose history is shown; empty: the answer names some."`
	Step     registry.Duration `json:"step" min:"15" max:"86400" help:"Messages are counted over so long; it does not depend on the panel."`
	Top      int               `json:"top" min:"1" max:"100" help:"How many templates are shown, those with the most messages first."`
	Before   registry.Duration `json:"before" min:"60" max:"2592000" help:"A template is new when it did not come in this time before the shown range."`
	Rare     float64           `json:"rare" min:"1" max:"40" unit:"bits" help:"A template is rare from this surprise on: 10 is one message in a thousand, 14 one in sixteen thousand."`
	LogQL    string            `json:"logql" help:"LogQL that selects lines in Loki, like {app=\"shop\"}. They are mined here; the exporter is not needed. Empty: ask Prometheus."`
	Key      string            `json:"session" help:"With LogQL: regular expression with one group for what the lines of one session have in common, like request=(\\S+)."`
	Model    string            `json:"model" help:"With LogQL: how sessions are judged."`
	MaxLines int               `json:"max_lines" min:"100" max:"1000000" help:"With LogQL: how many lines are read; of more, the newest."`
	Output   string            `json:"output" help:"What is returned."`
	Lang     string            `json:"lang" enum:"en,zh-Hans" help:"Language of notices and titles."`

	key *regexp.Regexp
}

func (q *logsQuery) Prepare(s Settings) { q.Lang = s.Lang }

func (q *logsQuery) Parts() map[string]func(json.RawMessage) error { return nil }

func (q *logsQuery) Outputs() []string {
	return []string{outputTemplates, outputNew, outputHistory, outputSequences, outputFlow}
}

// plain marks a kind that has only fields: no expression, no detector, no policy.
func (q *logsQuery) plain() {}

// Validate checks what depends on several fields.
func (q *logsQuery) Validate() error {
	if q.Output == outputHistory && q.Template != "" && !isTemplateID(q.Template) {
		return fmt.Errorf("parameter \"template\": got %q, want the id of a template, 16 hexadecimal digits, for the output history", q.Template)
	}
	if q.LogQL != "" && q.Key == "" && (q.Output == outputSequences || q.Output == outputFlow) {
		return fmt.Errorf("parameter \"session\": got nothing, want a regular expression with one group for what the lines of one session have in common, like request=(\\S+)")
	}
	var err error
	if q.key, err = regexp.Compile(q.Key); err != nil {
		return fmt.Errorf("parameter \"session\": got %q, want a regular expression: %w", q.Key, err)
	}
	if _, err := logs.Sequences.Get(q.Model); err != nil {
		return fmt.Errorf("parameter \"model\": %w", err)
	}
	if strings.ContainsAny(q.Selector, "{}") && !strings.Contains(q.Selector, `"`) {
		return fmt.Errorf("parameter \"selector\": got %q, want label matchers without braces, like job=\"node\"", q.Selector)
	}
	return nil
}

func isTemplateID(s string) bool {
	_, err := strconv.ParseUint(s, 16, 64)
	return err == nil && len(s) == 16
}

// matchers returns the selector of a family of the exporter.
func (q *logsQuery) matchers(more ...string) string {
	all := []string{}
	if s := strings.Trim(strings.TrimSpace(q.Selector), ","); s != "" {
		all = append(all, s)
	}
	if q.Log != "" {
		all = append(all, "source="+strconv.Quote(q.Log))
	}
	return "{" + strings.Join(append(all, more...), ",") + "}"
}

// added is the PromQL of how much counters grew over the last step, their birth included: a template that comes for the first time comes with its
// first message, which increase() does not see. A counter that was away for an hour counts as born, but only where its source was there in that hour: after an
// outage all counters are back at once with what they counted in their lives, and when that came is not known. That step is a gap.
func (q *logsQuery) added(selector string) string {
	step := q.Step.String()
	window := max(q.Step, registry.Duration(3600e9)).String()
	before := fmt.Sprintf("[%s] offset %s)", window, step)
	born := selector + " * 0 and on (instance, job, source) last_over_time(foreshock_log_lines_total" + q.matchers() + before
	return "clamp_min(" + selector + " - (last_over_time(" + selector + before + " or (" + born + ")), 0)"
}

// logsAnswer is a logs query on its way.
type logsAnswer struct {
	q       *logsQuery
	r       Request
	grid    series.Grid
	asked   []string
	texts   map[string]string // of templates by id
	notices []data.Notice
}

// Run asks Prometheus or Loki, and writes the frames.
func (q *logsQuery) Run(ctx context.Context, r Request) (data.Frames, error) {
	step := q.Step.Milliseconds()
	grid := series.GridOver(r.From, min(r.To, r.Now.UnixMilli()), step)
	if grid.N > maxPoints {
		return nil, inputError{fmt.Errorf("parameter \"step\": got %s, which makes %d samples of each series, want at most %d", q.Step, grid.N, maxPoints)}
	}
	a := &logsAnswer{q: q, r: r, grid: grid, texts: map[string]string{}}
	read := a.fromSeries
	switch {
	case q.Output == outputHistory && q.Template == "":
		read = a.choice
	case strings.TrimSpace(q.LogQL) != "":
		read = a.fromLines
	}
	frames, err := read(ctx)
	if err != nil {
		return nil, err
	}
	return a.finished(frames), nil
}

// finished writes what was asked and what is to be known into the frames.
func (a *logsAnswer) finished(frames data.Frames) data.Frames {
	if len(frames) == 0 {
		frames = data.Frames{data.NewFrame("")}
		a.say(data.NoticeSeverityInfo, "plugin.logs.empty")
	}
	for _, f := range frames {
		if f.Meta == nil {
			f.Meta = &data.FrameMeta{}
		}
		f.Meta.ExecutedQueryString = strings.Join(a.asked, "\n")
	}
	frames[0].Meta.Notices = joined(a.notices)
	return frames
}

func (a *logsAnswer) say(severity data.NoticeSeverity, key string, args ...any) {
	a.notices = append(a.notices, data.Notice{Severity: severity, Text: message.Text(a.q.Lang, key, args...)})
}

// ask asks one range of Prometheus and keeps its remarks.
func (a *logsAnswer) ask(ctx context.Context, expr string, grid series.Grid) (series.Set, error) {
	a.asked = append(a.asked, expr)
	if grid.N == 0 {
		return series.Set{Grid: grid}, nil
	}
	answer, err := a.r.Source.Range(ctx, expr, grid)
	if err != nil {
		return series.Set{}, err
	}
	for _, w := range answer.Warnings {
		a.say(data.NoticeSeverityWarning, "plugin.notice.prometheus", "text", w)
	}
	for _, n := range answer.Notices {
		if n.Kind == prom.NoticeSeriesCut || n.Kind == prom.NoticeBytesCut {
			a.say(data.NoticeSeverityWarning, "plugin.logs.cut")
		}
	}
	return answer.Set, nil
}

// last is the grid of only the newest time.
func (a *logsAnswer) last() series.Grid {
	return series.Grid{Start: a.grid.At(a.grid.N - 1), Step: a.grid.Step, N: 1}
}

// shownRange is the length of the shown range, for windows in PromQL.
func (a *logsAnswer) shownRange() string {
	return registry.Duration(max(int64(a.grid.N)*a.grid.Step, 60_000) * 1e6).String()
}

func (a *logsAnswer) fromSeries(ctx context.Context) (data.Frames, error) {
	if a.grid.N == 0 {
		return nil, nil
	}
	switch a.q.Output {
	case outputNew:
		return a.newTemplates(ctx)
	case outputHistory:
		return a.history(ctx)
	case outputSequences:
		return a.sequences(ctx)
	case outputFlow:
		return a.flow(ctx)
	}
	return a.templates(ctx)
}

// learnTexts asks for the texts of templates. Where hosts, or times, have several for one id, the last in order stands.
func (a *logsAnswer) learnTexts(ctx context.Context) error {
	selector := (&logsQuery{Selector: a.q.Selector}).matchers() // the info series has no source: templates are the same everywhere
	expr := fmt.Sprintf("max by (template_id, template) (last_over_time(foreshock_log_template_info%s[%s]))", selector, a.shownRange())
	set, err := a.ask(ctx, expr, a.last())
	if err != nil {
		return err
	}
	for _, s := range set.Members {
		a.texts[s.Labels.Get("template_id")] = s.Labels.Get("template")
	}
	return nil
}

// text returns what a template is called.
func (a *logsAnswer) text(id string) string { return cmp.Or(a.texts[id], id) }

func total(s series.Series) (sum float64) {
	for _, v := range s.Values {
		if v == v {
			sum += v
		}
	}
	return sum
}

// templates draws how often the most frequent templates come.
func (a *logsAnswer) templates(ctx context.Context) (data.Frames, error) {
	set, err := a.ask(ctx, "sum by (template_id) ("+a.q.added("foreshock_log_template_total"+a.q.matchers())+")", a.grid)
	if err != nil {
		return nil, err
	}
	if err := a.learnTexts(ctx); err != nil {
		return nil, err
	}
	return a.drawn(set.Members), nil
}

// drawn returns the series of the most frequent templates.
func (a *logsAnswer) drawn(members []series.Series) data.Frames {
	members = slices.Clone(members)
	slices.SortStableFunc(members, func(x, y series.Series) int { return cmp.Compare(total(y), total(x)) })
	if n := len(members); n > a.q.Top {
		rest := 0.0
		for _, s := range members[a.q.Top:] {
			rest += total(s)
		}
		a.say(data.NoticeSeverityInfo, "plugin.logs.top", "shown", a.q.Top, "all", n, "messages", strconv.FormatFloat(math.Round(rest), 'f', -1, 64))
		members = members[:a.q.Top]
	}
	var frames data.Frames
	for _, s := range members {
		id := s.Labels.Get("template_id")
		labels := s.Labels.Map()
		labels["template"] = a.text(id)
		frames = append(frames, a.line(s, a.text(id), labels))
	}
	return frames
}

// line draws counts over time as bars.
func (a *logsAnswer) line(s series.Series, name string, labels map[string]string) *data.Frame {
	values := data.NewField("messages", data.Labels(labels), nullable(s.Values, nil))
	values.Config = &data.FieldConfig{DisplayNameFromDS: name, Custom: map[string]any{"drawStyle": "bars", "fillOpacity": 60, "stacking": map[string]any{"mode": "normal"}}}
	values.Config.SetMin(0)
	frame := data.NewFrame(name, data.NewField("time", nil, times(s.Grid, nil)), values)
	frame.Meta = &data.FrameMeta{Type: data.FrameTypeTimeSeriesMulti, TypeVersion: data.FrameTypeVersion{0, 1}, PreferredVisualization: data.VisTypeGraph}
	return frame
}

// history draws one template by level.
func (a *logsAnswer) history(ctx context.Context) (data.Frames, error) {
	set, err := a.ask(ctx, "sum by (source, level) ("+a.q.added("foreshock_log_template_total"+a.q.matchers("template_id="+strconv.Quote(a.q.Template)))+")", a.grid)
	if err != nil {
		return nil, err
	}
	if err := a.learnTexts(ctx); err != nil {
		return nil, err
	}
	var frames data.Frames
	for _, s := range set.Members {
		frames = append(frames, a.line(s, strings.TrimSpace(s.Labels.Get("source")+" "+s.Labels.Get("level")), s.Labels.Map()))
	}
	if len(frames) > 0 {
		a.say(data.NoticeSeverityInfo, "plugin.logs.template", "template", a.text(a.q.Template))
	}
	return frames, nil
}

// choice answers a question for a history that names no template: which there are.
func (a *logsAnswer) choice(ctx context.Context) (data.Frames, error) {
	var members []series.Series
	if strings.TrimSpace(a.q.LogQL) == "" && a.grid.N > 0 {
		set, err := a.ask(ctx, "sum by (template_id) ("+a.q.added("foreshock_log_template_total"+a.q.matchers())+")", a.grid)
		if err != nil {
			return nil, err
		}
		if err := a.learnTexts(ctx); err != nil {
			return nil, err
		}
		members = slices.Clone(set.Members)
	}
	slices.SortStableFunc(members, func(x, y series.Series) int { return cmp.Compare(total(y), total(x)) })
	var known []string
	for _, s := range members[:min(len(members), mostChoices)] {
		id := s.Labels.Get("template_id")
		known = append(known, fmt.Sprintf("%s %.80s", id, a.text(id)))
	}
	a.say(data.NoticeSeverityInfo, "plugin.logs.choose")
	if len(known) > 0 {
		a.say(data.NoticeSeverityInfo, "plugin.logs.known", "templates", strings.Join(known, "; "))
	}
	return data.Frames{data.NewFrame("")}, nil
}

// mostChoices is how many templates are named to choose from.
const mostChoices = 5

// logRow is one row of the table of new and rare templates.
type logRow struct {
	isNew            bool
	source, id, text string
	messages, rarity float64
	first            int64
}

// newTemplates is a table of the templates that did not come before the shown range, and of those that are rare.
func (a *logsAnswer) newTemplates(ctx context.Context) (data.Frames, error) {
	wide := series.GridOver(a.grid.Start-a.q.Before.Milliseconds(), a.grid.At(a.grid.N-1), a.grid.Step)
	set, err := a.ask(ctx, "sum by (source, template_id) (foreshock_log_template_total"+a.q.matchers()+")", wide)
	if err != nil {
		return nil, err
	}
	known, err := a.ask(ctx, "sum by (source) (foreshock_log_lines_total"+a.q.matchers()+")", wide)
	if err != nil {
		return nil, err
	}
	rare, err := a.ask(ctx, "max by (source, template_id) (last_over_time(foreshock_log_template_rarity"+a.q.matchers()+"["+a.shownRange()+"]))", a.last())
	if err != nil {
		return nil, err
	}
	if err := a.learnTexts(ctx); err != nil {
		return nil, err
	}
	begun := map[string]int64{} // since when each source is known
	for _, s := range known.Members {
		begun[s.Labels.Get("source")] = wide.At(s.FirstPresent())
	}
	rarity := map[[2]string]float64{}
	for _, s := range rare.Members {
		rarity[[2]string{s.Labels.Get("source"), s.Labels.Get("template_id")}] = s.Values[0]
	}
	var rows []logRow
	for _, s := range set.Members {
		key := [2]string{s.Labels.Get("source"), s.Labels.Get("template_id")}
		row := logRow{source: key[0], id: key[1], text: a.text(key[1]), rarity: math.NaN(), first: wide.At(s.FirstPresent())}
		if v, ok := rarity[key]; ok {
			row.rarity = v
		}
		row.isNew = row.first >= a.grid.Start && (begun[key[0]] < a.grid.Start || row.first-begun[key[0]] >= a.q.Before.Milliseconds())
		row.messages = grown(s, a.grid.Start)
		if row.messages > 0 && (row.isNew || row.rarity >= a.q.Rare) {
			rows = append(rows, row)
		}
	}
	for _, at := range begun {
		if at >= a.grid.Start {
			a.say(data.NoticeSeverityInfo, "plugin.logs.young", "before", a.q.Before.String())
			break
		}
	}
	return a.logTable(rows), nil
}

// grown returns by how much a counter grew from a time on, its birth included; a fall is a new beginning.
func grown(s series.Series, from int64) (sum float64) {
	last := 0.0
	for i, v := range s.Values {
		if v != v {
			continue
		}
		if s.Grid.At(i) >= from {
			sum += max(v-last, 0)
			if v < last {
				sum += v
			}
		}
		last = v
	}
	return sum
}

// sequences draws how many sessions took an unusual path.
func (a *logsAnswer) sequences(ctx context.Context) (data.Frames, error) {
	set, err := a.ask(ctx, "sum by (source, verdict) ("+a.q.added("foreshock_log_sequences_total"+a.q.matchers())+")", a.grid)
	if err != nil {
		return nil, err
	}
	var frames data.Frames
	for _, s := range set.Members {
		name := s.Labels.Get("source") + ": " + message.Text(a.q.Lang, "plugin.logs.verdict."+verdictKey(s.Labels.Get("verdict")))
		frames = append(frames, a.line(s, name, s.Labels.Map()))
	}
	return frames, nil
}

func verdictKey(verdict string) string {
	if slices.Contains([]string{"normal", "abnormal", "unjudged"}, verdict) {
		return verdict
	}
	return "unjudged"
}

// flow draws which template follows which, as a node graph.
func (a *logsAnswer) flow(ctx context.Context) (data.Frames, error) {
	expr := fmt.Sprintf("sum by (from, to) (increase(foreshock_log_flow_total%s[%s]))", a.q.matchers(), a.shownRange())
	set, err := a.ask(ctx, expr, a.last())
	if err != nil {
		return nil, err
	}
	if err := a.learnTexts(ctx); err != nil {
		return nil, err
	}
	var steps []flowStep
	for _, s := range set.Members {
		if n := s.Values[0]; n > 0 {
			steps = append(steps, flowStep{s.Labels.Get("from"), s.Labels.Get("to"), n})
		}
	}
	return a.graph(steps), nil
}

// flowStep is one edge of the graph: how often a template was followed by another.
type flowStep struct {
	from, to string
	n        float64
}

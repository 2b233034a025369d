package collector

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/exporter/digest"
	"github.com/foreshock/foreshock/exporter/follow"
	"github.com/foreshock/foreshock/pkg/logs"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "logs", Summary: "lines, levels, matches, templates and sequences of log files, containers and the journal",
		Source: "the files, journals and containers' logs that --collector.logs.config names; docs/logs-collector.md", New: func() Collector { return &logLines{} },
	})
}

var (
	logReadLines    = counter("foreshock_log_lines_total", "Lines read.", "source")
	logReadBytes    = counter("foreshock_log_bytes_total", "Bytes read, ends of line and wrapping included.", "source")
	logMessages     = counter("foreshock_log_messages_total", "Messages by the level that they say, but for those that were excluded or sampled.", "source", "level")
	logLast         = gauge("foreshock_log_last_message_timestamp_seconds", "When the last message of a level was read.", "source", "level")
	logExcluded     = counter("foreshock_log_excluded_total", "Messages that include and exclude left out.", "source")
	logSampled      = counter("foreshock_log_sampled_total", "Messages that were counted as lines and not looked at, because the reader was too far behind.", "source")
	logLagBytes     = gauge("foreshock_log_lag_bytes", "Bytes that are written and were not read yet.", "source")
	logLagSeconds   = gauge("foreshock_log_lag_seconds", "For how long there have been bytes that were not read; 0 when there are none.", "source")
	logFiles        = gauge("foreshock_log_files", "Files that are followed.", "source")
	logStuck        = gauge("foreshock_log_stuck_seconds", "For how long a read has not come back, as from a file server that is gone; 0 when none hangs.", "source")
	logProblems     = counter("foreshock_log_problems_total", "What went wrong since the start of the program, by reason; the program's own log tells more.", "source", "reason")
	logMatches      = counter("foreshock_log_matches_total", "Messages that a rule matched.", "source", "rule")
	logLastMatch    = gauge("foreshock_log_last_match_timestamp_seconds", "When a rule last matched a message.", "source", "rule")
	logField        = counter("foreshock_log_field_total", "Messages by the value of a field; other: of values beyond the limit.", "source", "field", "value")
	logNumber       = histogram("foreshock_log_number", "Numbers in messages that were asked for.", "source", "number")
	logTemplate     = counter("foreshock_log_template_total", "Messages by template, while the template has a series.", "source", "template_id", "level")
	logTemplateInfo = gauge("foreshock_log_template_info", "The text of a template; always 1.", "template_id", "template")
	logRarity       = gauge("foreshock_log_template_rarity", "How surprising a message of a template is, in bits: -log2 of its share of all messages.", "source", "template_id")
	logShifts       = counter("foreshock_log_template_rate_shifts_total", "Times that the rate of a template left its usual range.", "source", "template_id")
	logTemplates    = gauge("foreshock_log_templates", "Templates that are known.", "source")
	logNew          = counter("foreshock_log_new_templates_total", "Templates seen for the first time.", "source")
	logMerged       = counter("foreshock_log_merged_templates_total", "Templates that became part of another one.", "source")
	logForgotten    = counter("foreshock_log_forgotten_templates_total", "Templates forgotten because there are more than allowed.", "source")
	logSequences    = counter("foreshock_log_sequences_total", "Sessions that are over, by verdict: normal, abnormal, or unjudged, which were learnt from.", "source", "verdict")
	logOpen         = gauge("foreshock_log_open_sequences", "Sessions that are not over yet.", "source")
	logFlow         = counter("foreshock_log_flow_total", "How often one template followed another in ordinary sessions; from begin, to end.", "source", "from", "to")
	logFlowOver     = counter("foreshock_log_flow_unpublished_total", "Steps of sessions that have no series because there are more than allowed.", "source")
	logOver         = counter("foreshock_log_unpublished_total", "Messages of templates that have no series because there are more than allowed.", "source")
)

var logFamilies = []*Family{
	logReadLines, logReadBytes, logMessages, logLast, logExcluded, logSampled, logLagBytes, logLagSeconds, logFiles, logStuck, logProblems, logMatches,
	logLastMatch, logField, logNumber, logTemplate, logTemplateInfo, logRarity, logShifts, logTemplates, logNew, logMerged, logForgotten, logOver,
	logSequences, logOpen, logFlow, logFlowOver,
}

// logLines publishes what logs say.
type logLines struct {
	Config string `json:"config" help:"File that says which logs are read and how, see docs/logs-collector.md; empty: none."`

	now     func() time.Time
	sources []*logSource
	until   time.Time // when the wait for the first looks is over; zero before the first scrape
}

// logSource is one source with what follows it.
type logSource struct {
	name     string
	problems *digest.Problems
	pipeline *digest.Pipeline
	stream   *follow.Stream

	simple           []series // of the families that have one series for each source
	levels, last     []series
	reasons          map[string]series
	rules, lastMatch []series
	verdicts         []series // normal, abnormal, unjudged, open, over; nil: no sequences
	fields           map[[2]string]series
	template         map[logs.ID]*templateSeries
}

type templateSeries struct {
	levels         map[digest.Level]series
	rarity, shifts series
}

func (c *logLines) Families() []*Family { return logFamilies }

// Open reads the configuration. What it names need not be there.
func (c *logLines) Open(h *Host) error {
	c.now = h.Now
	if c.Config == "" {
		return nil
	}
	config, err := digest.Load(c.Config)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	governor := follow.NewGovernor(config.CPUShare)
	for _, s := range config.Sources {
		log := h.Log.With("log", s.Name)
		problems := digest.NewProblems(log, h.Now)
		pipeline, err := digest.NewPipeline(s, problems)
		if err != nil {
			return fmt.Errorf("config: %s: %w", s.Name, err)
		}
		source := s.Open(problems, h.root)
		stream := &follow.Stream{
			Name: s.Name, Source: source, Handler: pipeline, Governor: governor, Poll: config.Poll.Std(), Commit: config.Commit.Std(),
			ThinFrom: config.SampleAbove, Reporter: problems, Log: log, Now: h.Now,
		}
		if config.State != "" {
			stream.State = filepath.Join(config.State, s.Name+".state")
		}
		c.sources = append(c.sources, newLogSource(s, stream, pipeline, problems))
	}
	slices.SortFunc(c.sources, func(a, b *logSource) int { return strings.Compare(a.name, b.name) })
	return nil
}

// logSimple are the families with one series for each source, in the order of logSource.simple.
var logSimple = []*Family{
	logReadLines, logReadBytes, logExcluded, logSampled, logLagBytes, logLagSeconds, logFiles, logStuck, logTemplates, logNew, logMerged, logForgotten, logOver,
}

func newLogSource(config *digest.Source, stream *follow.Stream, pipeline *digest.Pipeline, problems *digest.Problems) *logSource {
	s := &logSource{
		name: config.Name, stream: stream, pipeline: pipeline, problems: problems, reasons: map[string]series{}, fields: map[[2]string]series{},
		template: map[logs.ID]*templateSeries{},
	}
	for _, f := range logSimple {
		s.simple = append(s.simple, f.with(s.name))
	}
	for _, l := range digest.Levels() {
		s.levels = append(s.levels, logMessages.with(s.name, l.String()))
		s.last = append(s.last, logLast.with(s.name, l.String()))
	}
	for _, r := range digest.Reasons() {
		s.reasons[r] = logProblems.with(s.name, r)
	}
	for _, r := range config.Rules {
		s.rules = append(s.rules, logMatches.with(s.name, r.Name))
		s.lastMatch = append(s.lastMatch, logLastMatch.with(s.name, r.Name))
	}
	if config.Sequences.Key != "" {
		for _, v := range []string{"normal", "abnormal", "unjudged"} {
			s.verdicts = append(s.verdicts, logSequences.with(s.name, v))
		}
		s.verdicts = append(s.verdicts, logOpen.with(s.name), logFlowOver.with(s.name))
	}
	return s
}

// Run follows all sources, each by itself: one whose files hang holds up no other.
func (c *logLines) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, s := range c.sources {
		wg.Go(func() { s.stream.Run(ctx) })
	}
	wg.Wait()
	return nil
}

// firstRound is how long scrapes wait for the first look at each source, from the first scrape on. A source that hangs from its beginning costs that much
// once, and not each scrape.
const firstRound = 2 * time.Second

func (c *logLines) Update(ctx context.Context, ch chan<- prometheus.Metric) error {
	if len(c.sources) == 0 {
		return fmt.Errorf("%w: --collector.logs.config names no file", ErrNoData)
	}
	if c.until.IsZero() {
		c.until = time.Now().Add(firstRound)
	}
	limit, cancel := context.WithDeadline(ctx, c.until)
	defer cancel()
	texts := map[logs.ID]string{}
	for _, s := range c.sources {
		select {
		case <-s.stream.Ready():
		case <-limit.Done():
		}
		s.send(ch, c.now(), texts)
	}
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		logTemplateInfo.send(ch, 1, id.String(), texts[id])
	}
	return nil
}

// send sends the figures of one source and notes the texts of its templates.
func (s *logSource) send(ch chan<- prometheus.Metric, now time.Time, texts map[logs.ID]string) {
	for reason, n := range s.problems.Counts() {
		s.reasons[reason].send(ch, float64(n))
	}
	f := s.pipeline.Figures()
	if f == nil {
		f = &digest.Figures{}
	}
	lag, since := s.stream.Lag()
	for i, v := range []float64{
		float64(f.Lines), float64(f.Bytes), float64(f.Excluded), float64(f.Sampled), float64(lag), secondsSince(now, since), float64(s.stream.Files()),
		secondsSince(now, s.stream.Busy()), float64(f.Miner.Templates), float64(f.Miner.Created), float64(f.Miner.Merged), float64(f.Miner.Forgotten),
		float64(f.OverTemplates),
	} {
		s.simple[i].send(ch, v)
	}
	for _, l := range digest.Levels() {
		s.levels[l].send(ch, float64(f.Messages[l]))
		if !f.Last[l].IsZero() {
			s.last[l].send(ch, float64(f.Last[l].UnixNano())/1e9)
		}
	}
	for i, r := range f.Rules {
		s.rules[i].send(ch, float64(r.Count))
		if !r.Last.IsZero() {
			s.lastMatch[i].send(ch, float64(r.Last.UnixNano())/1e9)
		}
	}
	s.sendFields(ch, f)
	for _, n := range f.Numbers {
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i, bound := range n.Bounds {
			sum += n.Counts[i]
			buckets[bound] = sum
		}
		logNumber.sendHistogram(ch, sum+n.Counts[len(n.Bounds)], n.Sum, buckets, s.name, strings.ToValidUTF8(n.Name, ""))
	}
	s.sendTemplates(ch, f, texts)
	if s.verdicts != nil {
		q := f.Sequences
		for i, n := range []uint64{q.Normal, q.Abnormal, q.Unjudged, uint64(q.Open), q.OverFlow} {
			s.verdicts[i].send(ch, float64(n))
		}
		for _, step := range q.Flow {
			logFlow.send(ch, float64(step.Count), s.name, step.From, step.To)
		}
	}
}

func (s *logSource) sendFields(ch chan<- prometheus.Metric, f *digest.Figures) {
	for _, field := range f.Fields {
		// A value that reads "other", and values that differ only by bytes that are not UTF-8, are one series with what they look like.
		sums := map[string]uint64{"other": field.Over}
		for value, n := range field.Values {
			sums[strings.ToValidUTF8(value, "\uFFFD")] += n
		}
		for value, n := range sums {
			if value == "other" && n == 0 {
				continue
			}
			key := [2]string{field.Name, value}
			one, ok := s.fields[key]
			if !ok {
				if len(s.fields) > maxKnown {
					clear(s.fields)
				}
				one = logField.with(s.name, field.Name, value)
				s.fields[key] = one
			}
			one.send(ch, float64(n))
		}
	}
}

func (s *logSource) sendTemplates(ch chan<- prometheus.Metric, f *digest.Figures, texts map[logs.ID]string) {
	for _, t := range f.Templates {
		one := s.template[t.ID]
		if one == nil {
			if len(s.template) > maxKnown {
				clear(s.template)
			}
			one = &templateSeries{
				levels: map[digest.Level]series{}, rarity: logRarity.with(s.name, t.ID.String()), shifts: logShifts.with(s.name, t.ID.String()),
			}
			s.template[t.ID] = one
		}
		for l, n := range t.Messages {
			if n == 0 {
				continue
			}
			level := digest.Level(l)
			if _, ok := one.levels[level]; !ok {
				one.levels[level] = logTemplate.with(s.name, t.ID.String(), level.String())
			}
			one.levels[level].send(ch, float64(n))
		}
		one.rarity.send(ch, t.Rarity)
		one.shifts.send(ch, float64(t.Shifts))
		if _, ok := texts[t.ID]; !ok {
			texts[t.ID] = shortText(t.Text)
		}
	}
}

// maxText bounds the label template: a stack trace as a template is thousands of bytes, /api/v1/templates has it whole.
const maxText = 400

func shortText(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// secondsSince returns how long ago a time was, 0 for none and for one to come.
func secondsSince(now, t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(now.Sub(t).Seconds(), 0)
}

package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/casesapi"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Kinds.Add(registry.Entry[Kind]{
		Name:    "cases",
		Summary: "Cases of the webhook: what is open, what was folded away, how fast people answered, and how the channels do.",
		Source:  "docs/plugin.md",
		New:     func() Kind { return &casesQuery{State: "open", Limit: 200} },
	})
}

// The outputs that only cases have.
const (
	outputTable    = "table"
	outputCounts   = "counts"
	outputTimes    = "times"
	outputRatios   = "ratios"
	outputDelays   = "latency"
	outputChannels = "channels"
	outputOpen     = "open"
	outputTotals   = "totals"
)

// casesQuery asks the webhook.
type casesQuery struct {
	Output  string            `json:"output" help:"What the answer is."`
	Lang    string            `json:"lang" enum:"en,zh-Hans" help:"Language of columns."`
	State   string            `json:"state" enum:"open,resolved,closed,all" help:"Which cases the table and the annotations show."`
	Grade   []string          `json:"grade" help:"P0 to P3; none means all."`
	Search  string            `json:"search" help:"Text in the title or the labels."`
	Cluster string            `json:"cluster" help:"Of this Alertmanager cluster only."`
	Every   registry.Duration `json:"every" min:"0" max:"2592000" help:"Length of a bucket, five minutes at least; 0: as the panel's width allows."`
	Limit   int               `json:"limit" min:"1" max:"5000" help:"Most cases of a table or of annotations."`
}

// Prepare takes the data source's language.
func (q *casesQuery) Prepare(s Settings) { q.Lang, q.Output = s.Lang, outputTable }

// Parts has none.
func (q *casesQuery) Parts() map[string]func(json.RawMessage) error { return nil }

// plain: nothing is judged here.
func (q *casesQuery) plain() {}

// Outputs lists the forms of the answer.
func (q *casesQuery) Outputs() []string {
	return []string{outputTable, outputAnnotations, outputCounts, outputTimes, outputRatios, outputDelays, outputChannels, outputOpen, outputTotals}
}

// Validate checks the grades. A variable of several values comes as one text, like (P0|P1) or P0,P1.
func (q *casesQuery) Validate() error {
	var grades []string
	for _, g := range q.Grade {
		grades = append(grades, strings.FieldsFunc(g, func(r rune) bool { return strings.ContainsRune("(|,) ", r) })...)
	}
	q.Grade = grades
	for _, g := range q.Grade {
		if !slices.Contains([]string{"P0", "P1", "P2", "P3"}, g) {
			return fmt.Errorf("parameter \"grade\": got %q, want some of P0, P1, P2, P3", g)
		}
	}
	return nil
}

// errNoWebhook is answered where the data source knows no webhook.
var errNoWebhook = errors.New("the data source has no address of the webhook: enter it in the settings of the data source, such as http://foreshock:9099")

// Run asks the webhook, and writes the frames.
func (q *casesQuery) Run(ctx context.Context, r Request) (data.Frames, error) {
	if r.Cases == nil {
		return nil, inputError{errNoWebhook}
	}
	switch q.Output {
	case outputTable, outputAnnotations:
		return q.list(ctx, r)
	case outputOpen:
		counts, err := r.Cases.Counts(ctx)
		if err != nil {
			return nil, err
		}
		return openFrames(counts), nil
	}
	from, to := date(r.From), date(r.To)
	s, err := r.Cases.Statistics(ctx, from, to.Add(time.Second), q.step(r))
	if err != nil {
		return nil, err
	}
	var frames data.Frames
	switch q.Output {
	case outputCounts:
		frames = q.countFrames(s)
	case outputTimes:
		frames = q.timeFrames(s)
	case outputRatios:
		frames = q.ratioFrames(s)
	case outputDelays:
		frames = q.delayFrames(s)
	case outputChannels:
		frames = q.channelFrames(s)
	default:
		frames = q.totalFrames(s)
	}
	if s.Cut {
		notice(frames, "the range holds more cases or messages than are counted: the newest are missing")
	}
	return frames, nil
}

// Bounds of buckets: what is counted is counted by five minutes, and the webhook answers no more than 2,000 buckets.
const (
	leastBucket = 5 * time.Minute
	mostBuckets = 1500
)

// step is the length of a bucket: what was asked for, or what makes as many as the panel shows well.
func (q *casesQuery) step(r Request) time.Duration {
	length := time.Duration(r.To-r.From) * time.Millisecond
	step := q.Every.Std()
	if step <= 0 {
		points := min(max(r.MaxDataPoints/8, 24), 200) // a column should be some pixels wide
		step = length / time.Duration(points)
		for _, round := range []time.Duration{5, 10, 15, 30, 60, 2 * 60, 4 * 60, 6 * 60, 12 * 60, 24 * 60} {
			if step <= round*time.Minute {
				step = round * time.Minute
				break
			}
		}
	}
	return max(step, leastBucket, length/mostBuckets)
}

// list reads cases: those of the table as they are now, those of annotations that changed within the range.
func (q *casesQuery) list(ctx context.Context, r Request) (data.Frames, error) {
	ask := casesapi.Query{State: q.State, Grade: strings.Join(q.Grade, ","), Cluster: q.Cluster, Text: q.Search, Limit: q.Limit}
	if q.Output == outputAnnotations || q.State != "open" {
		ask.Since = date(r.From)
	}
	if q.Output == outputAnnotations {
		ask.State = "all"
	}
	all, more, err := r.Cases.Cases(ctx, ask)
	if err != nil {
		return nil, err
	}
	to := date(r.To)
	if q.Output == outputAnnotations {
		all = slices.DeleteFunc(all, func(c casesapi.Case) bool { return c.OpenedAt.After(to) })
	}
	frames := q.tableFrames(all)
	if q.Output == outputAnnotations {
		frames = q.annotationFrames(all, to)
	}
	if more {
		notice(frames, fmt.Sprintf("there are more than %d cases: the oldest are left out", q.Limit))
	}
	return frames, nil
}

// notice adds a remark to the first frame.
func notice(frames data.Frames, text string) {
	if len(frames) == 0 {
		return
	}
	if frames[0].Meta == nil {
		frames[0].Meta = &data.FrameMeta{}
	}
	frames[0].Meta.Notices = append(frames[0].Meta.Notices, data.Notice{Severity: data.NoticeSeverityWarning, Text: text})
}

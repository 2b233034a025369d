package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func init() {
	Kinds.Add(registry.Entry[Kind]{
		Name:    "detect",
		Summary: "Judges every series of a PromQL expression: expected value, usual range, score, and episodes worth an alarm.",
		Source:  "docs/plugin.md",
		New: func() Kind {
			return &detectQuery{Detector: "auto", Walk: detect.DefaultWalk(), policy: detect.DefaultPolicy(), Output: outputSeries}
		},
	})
}

// The outputs of a detect query.
const (
	outputSeries      = "series"
	outputLatest      = "latest"
	outputIntervals   = "intervals"
	outputAnnotations = "annotations"
)

// detectQuery asks for verdicts over the series of a PromQL expression.
type detectQuery struct {
	Expr     string `json:"expr" help:"PromQL whose series are judged."`
	Clean    string `json:"clean" help:"PromQL whose truth marks the samples that are fit for training, like errors < 0.2; empty: all are."`
	Detector string `json:"detector" help:"Name of the detector."`
	detect.Walk
	Output string `json:"output" help:"What is returned."`
	Legend string `json:"legend" help:"Name of each series, like {{job}} {{instance}}."`
	Lang   string `json:"lang" enum:"en,zh-Hans" help:"Language of notices and reasons."`

	params   json.RawMessage
	policy   detect.Policy
	detector detect.Detector
	working  any // the detector, of whatever shape
}

func (q *detectQuery) Prepare(s Settings) { q.Zone, q.Lang = s.Zone, s.Lang }

func (q *detectQuery) Parts() map[string]func(json.RawMessage) error {
	return map[string]func(json.RawMessage) error{
		"params": func(raw json.RawMessage) error { q.params = raw; return nil },
		"policy": func(raw json.RawMessage) error {
			if err := registry.DecodeInto(&q.policy, registry.FromJSON(raw)); err != nil {
				return fmt.Errorf("policy: %w", err)
			}
			return nil
		},
	}
}

func (q *detectQuery) Outputs() []string {
	return []string{outputSeries, outputLatest, outputIntervals, outputAnnotations}
}

// Validate checks what depends on several fields, and makes the detector.
func (q *detectQuery) Validate() error {
	if strings.TrimSpace(q.Expr) == "" {
		return errors.New("parameter \"expr\": got nothing, want a PromQL expression")
	}
	if err := q.Walk.Validate(); err != nil {
		return err
	}
	if err := q.Fits(q.policy); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	var err error
	q.detector, err = detect.Detectors.New(q.Detector, registry.FromJSON(q.params))
	q.working = q.detector
	return err
}

// maxPoints bounds the samples of one series that one query shows: a year at one a minute.
const maxPoints = 530_000

// recent is how many samples may be missing at the end of a series whose latest verdict is asked for: the newest one is often not scraped yet.
const recent = 5

// Run fetches the samples, judges every series, and writes the frames.
func (q *detectQuery) Run(ctx context.Context, r Request) (data.Frames, error) {
	expr, err := expand(q.Expr, macros(q.Step, q.Train, r.Settings.TimeInterval))
	if err != nil {
		return nil, inputError{err}
	}
	shown, err := q.shown(r)
	if err != nil {
		return nil, inputError{err}
	}
	out := &outcome{query: q, request: r, expr: expr, shown: shown}
	if shown.N > 0 {
		if err := out.run(ctx); err != nil {
			return nil, err
		}
	}
	return out.all(), nil
}

// all returns the frames of the wanted output.
func (o *outcome) all() data.Frames {
	var frames data.Frames
	switch o.query.Output {
	case outputSeries:
		frames = o.frames(data.NewFrame(""))
	case outputLatest:
		frames = o.frames(numeric(data.NewFrame("")))
	case outputIntervals:
		frames = o.intervalFrames()
	case outputAnnotations:
		frames = o.annotationFrames()
	}
	o.describe(frames)
	return frames
}

// shown returns the grid of the verdicts that are asked for: the samples of the panel's range that can exist already; for the latest
// verdict, the last few samples up to the end of the range.
func (q *detectQuery) shown(r Request) (series.Grid, error) {
	step := q.Step.Milliseconds()
	from, to := r.From, min(r.To, r.Now.Add(-r.Settings.Settle.Std()).UnixMilli())
	if q.Output == outputLatest {
		from = series.Floor(to, step) - (recent-1)*step
	}
	if from > to {
		return series.Grid{Start: series.Floor(from, step), Step: step}, nil
	}
	if n := (to - from) / step; n > maxPoints {
		return series.Grid{}, fmt.Errorf("parameter \"step\": got %s, which makes %d samples of each series in the shown range, want at most %d: show a shorter range or use a longer step",
			q.Step, n, maxPoints)
	}
	return series.GridOver(from, to, step), nil
}

// executed is what the query inspector shows: the PromQL as it was sent, and in a comment all that was done with it.
func (q *detectQuery) executed(expr string) string {
	params, err := json.Marshal(q.working)
	if err != nil {
		params = []byte("{}")
	}
	p := q.policy
	if q.Clean != "" {
		expr += "\n# learns where: " + strings.Join(strings.Fields(q.Clean), " ")
	}
	return fmt.Sprintf("%s\n# %s %s, step %s, train %s, refit %s, min_train %s, zone %s, policy: direction %s, %d of %d samples, min_abs %g, min_rel %g, recovery %g for %d samples, horizon %s, absent %s, mute %q",
		expr, q.Detector, params, q.Step, q.Train, q.Refit, q.MinTrain, q.zone(), p.Direction, p.N, p.M, p.MinAbs, p.MinRel, p.Recovery, p.Recover, p.Horizon, p.Absent, p.Mute)
}

func (q *detectQuery) zone() string {
	if q.Zone == "" {
		return "UTC"
	}
	return q.Zone
}

func (q *detectQuery) location() *time.Location {
	loc, err := q.Location()
	if err != nil {
		return time.UTC // Validate has accepted it
	}
	return loc
}

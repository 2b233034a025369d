package plugin

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Kinds.Add(registry.Entry[Kind]{
		Name:    "selftest",
		Summary: "Puts spikes, drops, shifts, ramps, late shapes and flatlines into your own series and tells which of them this detector and policy find.",
		Source:  "docs/plugin.md",
		New: func() Kind {
			q := &selftestQuery{severalQuery: newSeveralQuery(), Last: 7 * registry.Day}
			q.Output = outputSummary
			return q
		},
	})
}

// selftestQuery asks what a detector would find.
type selftestQuery struct {
	severalQuery
	Last      registry.Duration `json:"last" min:"3600" max:"31536000" help:"How far back anomalies are put in, from the end of the shown range."`
	Incidents string            `json:"incidents" help:"PromQL that is not zero while something was known to be wrong: nothing is put in there, and it is not counted as noise."`
	Quick     bool              `json:"quick" help:"Spikes, drops and shifts of two sizes only, as the scorer tests a rule."`
}

// Outputs lists the forms of the answer.
func (q *selftestQuery) Outputs() []string { return []string{outputSummary, outputSizes} }

// mostTested bounds the series of one self-test: each is judged some fifty times.
const mostTested = 20

// Run tests, and writes the frames.
func (q *selftestQuery) Run(ctx context.Context, r Request) (data.Frames, error) {
	r.Settings.MaxSeries = min(r.Settings.MaxSeries, mostTested)
	l, err := q.gather(ctx, r, q.Last, known{incidents: q.Incidents}, evaluate.Dimensions)
	if err != nil {
		return nil, err
	}
	found := make([]evaluate.SelfTested, len(l.cases))
	var mu sync.Mutex
	err = l.timed(func() error {
		return evaluate.SelfTest{Judge: q.judgeOf(l, r.Fits), Quick: q.Quick}.All(ctx, l.cases, func(i int, one evaluate.SelfTested) {
			mu.Lock()
			defer mu.Unlock()
			found[i] = one
			l.judged[i] = judged{name: l.nameOf(l.cases[i]), labels: one.Labels}
		})
	})
	if err != nil {
		return nil, tooMany(err)
	}
	frames := l.testFrames(found)
	if q.Output == outputSizes {
		frames = l.sizeFrames(found)
	}
	l.describe(frames)
	return frames, nil
}

// testFrames is a table with a row for each series: its verdict with the reason, how noisy it is, and the smallest size of each kind from which on 95 % were found.
func (l *lookedBack) testFrames(found []evaluate.SelfTested) data.Frames {
	n := len(found)
	name, verdict, reason := make([]string, n), make([]string, n), make([]string, n)
	rate, deviation := make([]*float64, n), make([]*float64, n)
	kinds := []string{evaluate.KindSpike, evaluate.KindDrop, evaluate.KindShift, evaluate.KindRamp, evaluate.KindSeason, evaluate.KindFlatline}
	sizes := make([][]string, len(kinds))
	for k := range sizes {
		sizes[k] = make([]string, n)
	}
	for i, f := range found {
		name[i], verdict[i] = l.judged[i].name, message.Text(l.query.Lang, "plugin.outcome."+string(f.Outcome))
		var why []string
		for _, r := range f.Reasons {
			why = append(why, r.Text(l.query.Lang))
		}
		reason[i] = strings.Join(why, " ")
		if f.Exposure > 0 {
			rate[i] = number64(f.PerWeek())
		}
		deviation[i] = number64(f.Deviation)
		for _, k := range f.Kinds {
			sizes[slices.Index(kinds, k.Kind)][i] = k.SizeText(k.Smallest(0.95))
		}
	}
	fields := []*data.Field{l.cell("series", name), l.cell("verdict", verdict), l.cell("reason", reason), l.cell("per-week", rate), l.cell("deviation", deviation)}
	fields[3].Config.SetDecimals(2)
	for k, kind := range kinds {
		f := l.cell(kind, sizes[k])
		f.Config.DisplayNameFromDS = message.Text(l.query.Lang, "selftest.kind."+kind)
		fields = append(fields, f)
	}
	return table(fields...)
}

// sizeFrames is a table with a row for each series, kind and size.
func (l *lookedBack) sizeFrames(found []evaluate.SelfTested) data.Frames {
	var name, kind, size []string
	var places, hits []int64
	var share, delay, rank []*float64
	for i, f := range found {
		for _, k := range f.Kinds {
			for _, r := range k.Rungs {
				if r.Places == 0 {
					continue
				}
				name, kind, size = append(name, l.judged[i].name), append(kind, message.Text(l.query.Lang, "selftest.kind."+k.Kind)), append(size, k.SizeText(r.Size))
				places, hits = append(places, int64(r.Places)), append(hits, int64(r.Found))
				late := math.NaN()
				if r.Found > 0 {
					late = float64(r.Delay) / 1000
				}
				share, delay, rank = append(share, number64(r.Share())), append(delay, number64(late)), append(rank, number64(r.Rank))
			}
		}
	}
	fields := []*data.Field{
		l.cell("series", name), l.cell("kind", kind), l.cell("size", size), l.cell("places", places), l.cell("found", hits), l.cell("share", share), l.cell("delay", delay), l.cell("rank", rank),
	}
	fields[5].Config.Unit, fields[6].Config.Unit, fields[7].Config.Unit = "percentunit", "s", "percentunit"
	return table(fields...)
}

// newDetectQuery returns the fields that all kinds over single series share, with their defaults.
func newDetectQuery() *detectQuery {
	e, err := Kinds.Get(defaultKind)
	if err != nil { // it is registered in this package
		return &detectQuery{Walk: detect.DefaultWalk(), policy: detect.DefaultPolicy(), Output: outputSeries}
	}
	return e.New().(*detectQuery)
}

package scorer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// Estimate is what a rule costs in force: measured on some series, and multiplied by how many there are.
type Estimate struct {
	Rule string
	// Series is how many are judged, Sampled how many were measured, and Synthetic whether they were made up.
	Series, Sampled int
	Synthetic       bool
	// Unfitted is how many of the sampled ones hold too little to fit anything.
	Unfitted int
	// Fit is the processor time of one fit and Score that of judging one series in one evaluation with fits kept: means over the sampled series, each the fastest of three.
	Fit, Score time.Duration
	// ModelBytes is the memory of one kept model, SampleBytes that of the samples of one series.
	ModelBytes, SampleBytes int64
	// Models is how many are kept of one series at a time: those of the anchors that an evaluation may need.
	Models int
	// FitsPerDay is of one series, EvaluationsPerDay of the rule.
	FitsPerDay, EvaluationsPerDay float64
}

// CPU is the share of one processor that the rule takes, decoding of answers left out.
func (e Estimate) CPU() float64 {
	const day = float64(24 * time.Hour)
	return float64(e.Series) * (e.FitsPerDay*float64(e.Fit) + e.EvaluationsPerDay*float64(e.Score)) / day
}

// First is the processor time of the first evaluation, which fits every model.
func (e Estimate) First() time.Duration {
	return time.Duration(e.Series) * (time.Duration(e.Models)*e.Fit + e.Score)
}

// Fits and Samples are the memory of all series, in bytes: what --fits.bytes and --blocks.bytes have to hold.
func (e Estimate) Fits() int64 { return int64(e.Series) * int64(e.Models) * e.ModelBytes }

// Samples is described with Fits.
func (e Estimate) Samples() int64 { return int64(e.Series) * e.SampleBytes }

// modelOverhead is what the cache takes for one model besides its bytes.
const modelOverhead = 256

// Measure tells what a rule costs with so many series, from some of them, which must cover the rule's walk up to at. It refuses nothing: where no sampled series can be
// fitted, times and model bytes are zero and Unfitted tells.
func Measure(ctx context.Context, rule Rule, all []series.Series, count int, at int64) (Estimate, error) {
	step := rule.Step.Milliseconds()
	at = series.Floor(at, step)
	first := at - (recent-1)*step
	day := (24 * time.Hour).Milliseconds()
	e := Estimate{
		Rule: rule.Name, Series: min(count, rule.MaxSeries), Sampled: len(all), Models: int(rule.Policy.Horizon/rule.Refit) + 2,
		SampleBytes: 8 * int64(rule.Walk.Fetch(first, at, rule.Policy).N), FitsPerDay: float64(day) / float64(rule.Refit.Milliseconds()),
		EvaluationsPerDay: float64(day) / float64(rule.every()),
	}
	loc, err := rule.Location()
	if err != nil {
		return e, err
	}
	measured := 0
	for _, s := range all {
		if err := ctx.Err(); err != nil {
			return e, err
		}
		train := detect.Train{Series: s.Between(at-rule.Train.Milliseconds(), at), Zone: loc, N: rule.Policy.N, M: rule.Policy.M}
		var model detect.Model
		fit, err := fastest(func() (err error) { model, err = rule.Judge.Detector.Fit(train); return err })
		if errors.Is(err, detect.ErrTooShort) {
			e.Unfitted++
			continue
		}
		if err != nil {
			return e, fmt.Errorf("rule %s: fit %s: %w", rule.Name, s.Labels, err)
		}
		raw, err := model.MarshalBinary()
		if err != nil {
			return e, fmt.Errorf("rule %s: write the model of %s: %w", rule.Name, s.Labels, err)
		}
		judge := rule.Judge
		judge.Fits = detect.NewFits(math.MaxInt64)
		run := func() error { _, err := judge.Series(ctx, s, first, at); return err }
		if err := run(); err != nil { // fits
			return e, err
		}
		score, err := fastest(run)
		if err != nil {
			return e, err
		}
		measured++
		e.Fit += fit
		e.Score += score
		e.ModelBytes += int64(len(raw)) + modelOverhead
	}
	if measured > 0 {
		e.Fit /= time.Duration(measured)
		e.Score /= time.Duration(measured)
		e.ModelBytes /= int64(measured)
	}
	return e, nil
}

// fastest returns the shortest of three times: what else the machine did meanwhile is not the rule's.
func fastest(do func() error) (time.Duration, error) {
	best := time.Duration(math.MaxInt64)
	for range 3 {
		began := time.Now()
		if err := do(); err != nil {
			return 0, err
		}
		best = min(best, time.Since(began))
	}
	return best, nil
}

// Synthetic makes series that a rule can be measured on without a server: a daily shape with noise.
func Synthetic(rule Rule, n int, at int64) []series.Series {
	step := rule.Step.Milliseconds()
	at = series.Floor(at, step)
	grid := rule.Walk.Fetch(at-(recent-1)*step, at, rule.Policy)
	all := make([]series.Series, n)
	for k := range all {
		rng := rand.New(rand.NewPCG(uint64(k), 1))
		all[k] = series.New(series.FromMap(map[string]string{"synthetic": fmt.Sprint(k)}), grid)
		for i := range all[k].Values {
			all[k].Values[i] = 100 + 30*math.Sin(2*math.Pi*float64(grid.At(i)%86_400_000)/86_400_000) + 3*rng.NormFloat64()
		}
	}
	return all
}

// Sample asks the server of a configuration for a few series of a rule over all that its walk needs, and how many it has now.
func Sample(ctx context.Context, conf Config, rule Rule, few int, at int64) (all []series.Series, count int, err error) {
	h, err := client(conf.PrometheusHTTP)
	if err != nil {
		return nil, 0, fmt.Errorf("prometheus: %w", err)
	}
	c, err := prom.New(prom.Options{URL: conf.Prometheus.URL, HTTP: h, Limits: prom.Limits{MaxSeries: few, MaxConcurrent: conf.Prometheus.MaxConcurrent, MaxBytes: conf.Prometheus.MaxBytes}})
	if err != nil {
		return nil, 0, fmt.Errorf("field \"prometheus.url\": %w", err)
	}
	defer c.Close()
	wide, err := prom.New(prom.Options{URL: conf.Prometheus.URL, HTTP: h, Limits: prom.Limits{MaxSeries: conf.Prometheus.MaxSeries}})
	if err != nil {
		return nil, 0, fmt.Errorf("field \"prometheus.url\": %w", err)
	}
	defer wide.Close()
	expr := rule.Query(conf.Prometheus)
	now, err := wide.Instant(ctx, expr, at)
	if err != nil {
		return nil, 0, err
	}
	step := rule.Step.Milliseconds()
	at = series.Floor(at, step)
	answer, err := c.Range(ctx, expr, rule.Walk.Fetch(at-(recent-1)*step, at, rule.Policy))
	if err != nil {
		return nil, 0, err
	}
	return answer.Set.Members, len(now.Samples), nil
}

package scorer

import (
	"context"
	"encoding"
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
	// Series is how many are judged (vectors and fleets of rules of these kinds), Sampled how many were measured, and Synthetic whether they were made up.
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

// Samples are what a rule can be measured on.
type Samples struct {
	units []unit
	clean detect.Clean
}

// Measure tells what a rule costs with so many series, vectors or fleets, from some of them, which must cover the rule's walk up to at. It refuses nothing: where nothing of what
// was sampled can be fitted, times and model bytes are zero and Unfitted tells.
func Measure(ctx context.Context, rule Rule, samples Samples, count int, at int64) (Estimate, error) {
	step := rule.Step.Milliseconds()
	at = series.Floor(at, step)
	day := (24 * time.Hour).Milliseconds()
	m := measuring{Rule: rule, clean: samples.clean, at: at, first: at - (recent-1)*step}
	e := Estimate{
		Rule: rule.Name, Series: min(count, rule.MaxSeries), Sampled: len(samples.units), Models: int(rule.Policy.Horizon/rule.Refit) + 2,
		FitsPerDay: float64(day) / float64(rule.Refit.Milliseconds()), EvaluationsPerDay: float64(day) / float64(rule.every()),
	}
	loc, err := rule.Location()
	if err != nil {
		return e, err
	}
	m.loc = loc
	rows, measured := 0, 0
	for _, u := range samples.units {
		if err := ctx.Err(); err != nil {
			return e, err
		}
		rows += u.rows()
		var model encoding.BinaryMarshaler
		fit, err := fastest(func() (err error) { model, err = m.fit(u); return err })
		if errors.Is(err, detect.ErrTooShort) {
			e.Unfitted++
			continue
		}
		if err != nil {
			return e, fmt.Errorf("rule %s: fit %s: %w", rule.Name, u.labels, err)
		}
		raw, err := model.MarshalBinary()
		if err != nil {
			return e, fmt.Errorf("rule %s: write the model of %s: %w", rule.Name, u.labels, err)
		}
		fits := detect.NewFits(math.MaxInt64)
		run := func() error { return m.judge(ctx, u, fits) }
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
	e.SampleBytes = 8 * int64(rule.Walk.Fetch(m.first, at, rule.Policy).N) * int64(max(rows, 1)) / int64(max(len(samples.units), 1))
	if measured > 0 {
		e.Fit /= time.Duration(measured)
		e.Score /= time.Duration(measured)
		e.ModelBytes /= int64(measured)
	}
	return e, nil
}

// measuring is a rule whose costs are measured.
type measuring struct {
	Rule
	clean     detect.Clean
	loc       *time.Location
	first, at int64
}

// fit makes the model of a unit as it would be now.
func (m measuring) fit(u unit) (encoding.BinaryMarshaler, error) {
	from := m.at - m.Train.Milliseconds()
	switch m.Kind {
	case kindJoint:
		return m.Joint.Detector.Fit(detect.JointTrain{Vector: u.vector.Between(from, m.at), Zone: m.loc, N: m.Policy.N, M: m.Policy.M})
	case kindPeers:
		set := series.Set{Grid: u.members[0].Grid, Members: u.members}
		return m.Peers.Detector.Fit(detect.PeersTrain{Labels: u.labels, Set: set.Between(from, m.at), Zone: m.loc, N: m.Policy.N, M: m.Policy.M})
	}
	return m.Judge.Detector.Fit(detect.Train{Series: u.members[0].Between(from, m.at), Zone: m.loc, N: m.Policy.N, M: m.Policy.M})
}

// judge judges the newest samples of a unit.
func (m measuring) judge(ctx context.Context, u unit, fits *detect.Fits) (err error) {
	switch m.Kind {
	case kindJoint:
		judge := m.Joint
		judge.Fits = fits
		mask, _ := m.clean.Mask(u.labels)
		_, err = judge.Vector(ctx, u.vector, mask, m.first, m.at)
	case kindPeers:
		judge := m.Peers
		judge.Fits = fits
		fleet, _ := u.fleet(m.clean)
		_, err = judge.Fleet(ctx, fleet, m.first, m.at)
	default:
		judge := m.Judge
		judge.Fits = fits
		mask, _ := m.clean.Mask(u.labels)
		_, err = judge.Filtered(ctx, u.members[0], mask, m.first, m.at)
	}
	return err
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

// madeDimensions and madeMembers are how many series a made-up vector and fleet have.
const madeDimensions, madeMembers = 3, 10

// Synthetic makes series, vectors of three dimensions or fleets of ten members that a rule can be measured on without a server: a daily shape with noise.
func Synthetic(rule Rule, n int, at int64) Samples {
	step := rule.Step.Milliseconds()
	at = series.Floor(at, step)
	grid := rule.Walk.Fetch(at-(recent-1)*step, at, rule.Policy)
	made := func(k int) series.Series {
		rng := rand.New(rand.NewPCG(uint64(k), 1))
		s := series.New(series.FromMap(map[string]string{"synthetic": fmt.Sprint(k)}), grid)
		for i := range s.Values {
			s.Values[i] = 100 + 30*math.Sin(2*math.Pi*float64(grid.At(i)%86_400_000)/86_400_000) + 3*rng.NormFloat64()
		}
		return s
	}
	out := Samples{units: make([]unit, n)}
	for k := range out.units {
		u := unit{labels: series.FromMap(map[string]string{"synthetic": fmt.Sprint(k)})}
		switch rule.Kind {
		case kindJoint:
			u.vector = series.Vector{Labels: u.labels, Grid: grid}
			for d := range max(madeDimensions, len(rule.Dimensions)) {
				u.vector.Names, u.vector.Values = append(u.vector.Names, fmt.Sprint(d)), append(u.vector.Values, made(1000*k+d).Values)
			}
		case kindPeers:
			for m := range madeMembers {
				u.members = append(u.members, made(1000*k+m))
			}
		default:
			u.members = []series.Series{made(k)}
		}
		out.units[k] = u
	}
	return out
}

// Sample asks the server of a configuration for a few series, vectors or fleets of a rule over all that its walk needs, and how many there are now.
func Sample(ctx context.Context, conf Config, rule Rule, few int, at int64) (samples Samples, count int, err error) {
	h, err := client(conf.PrometheusHTTP)
	if err != nil {
		return samples, 0, fmt.Errorf("prometheus: %w", err)
	}
	most := few
	if rule.Kind != kindSeries || rule.Clean != "" {
		most = conf.Prometheus.MaxSeries // a part of a fleet, or of a filter, is another one
	}
	c, err := prom.New(prom.Options{URL: conf.Prometheus.URL, HTTP: h, Limits: prom.Limits{MaxSeries: most, MaxConcurrent: conf.Prometheus.MaxConcurrent, MaxBytes: conf.Prometheus.MaxBytes}})
	if err != nil {
		return samples, 0, fmt.Errorf("field \"prometheus.url\": %w", err)
	}
	defer c.Close()
	wide, err := prom.New(prom.Options{URL: conf.Prometheus.URL, HTTP: h, Limits: prom.Limits{MaxSeries: conf.Prometheus.MaxSeries}})
	if err != nil {
		return samples, 0, fmt.Errorf("field \"prometheus.url\": %w", err)
	}
	defer wide.Close()
	step := rule.Step.Milliseconds()
	now := series.Floor(at, step)
	instant := func(ctx context.Context, expr string, grid series.Grid, _ int64) (a prom.Answer, err error) {
		v, err := wide.Instant(ctx, expr, at)
		a.Set.Grid = grid
		for _, s := range v.Samples {
			a.Set.Members = append(a.Set.Members, series.New(s.Labels, grid))
		}
		return a, err
	}
	here, err := rule.ask(ctx, sourceFunc(instant), conf.Prometheus, series.Grid{Start: now, Step: step, N: 1}, at)
	if err != nil {
		return samples, 0, err
	}
	there, err := rule.units(here)
	if err != nil {
		return samples, 0, err
	}
	ranged := func(ctx context.Context, expr string, grid series.Grid, _ int64) (prom.Answer, error) {
		return c.Range(ctx, expr, grid)
	}
	answer, err := rule.ask(ctx, sourceFunc(ranged), conf.Prometheus, rule.Walk.Fetch(now-(recent-1)*step, now, rule.Policy), at)
	if err != nil {
		return samples, 0, err
	}
	samples.clean = answer.clean
	samples.units, err = rule.units(answer)
	samples.units = samples.units[:min(few, len(samples.units))]
	return samples, len(there), err
}

// sourceFunc is a Source that is a function.
type sourceFunc func(ctx context.Context, expr string, grid series.Grid, now int64) (prom.Answer, error)

// Range calls it.
func (f sourceFunc) Range(ctx context.Context, expr string, grid series.Grid, now int64) (prom.Answer, error) {
	return f(ctx, expr, grid, now)
}

package detect

import (
	"errors"
	"fmt"
	"math"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "auto",
		Summary: "Looks at the training window and combines what fits it: the usual value at that time, what the samples just before lead to, and how restless the series is.",
		Source:  "Aggarwal and Sathe, Theoretical Foundations and Algorithms for Outlier Ensembles, SIGKDD Explorations 17(1), 2015, doi:10.1145/2830544.2830549; prediction by Durbin 1960, doi:10.2307/1401322; threshold by peaks over threshold, Siffer et al., KDD 2017, doi:10.1145/3097983.3098144",
		New:     func() Detector { return &Auto{budget: budget{Budget: 1}} },
	})
}

// Auto judges a series by several parts at once, chosen by its training window.
type Auto struct {
	budget
}

// Validate accepts all that the tags do.
func (*Auto) Validate() error { return nil }

// Catches all kinds.
func (*Auto) Catches() Kinds { return Spike | Drop | Shift | Season }

// Context is what the longest part looks back.
func (*Auto) Context(int64) int { return reach + lags }

const (
	// usualPart is the size of a part at its 95 % quantile, in usual distances: what it is for the distance of normal data.
	usualPart = 2
	// leastUsual keeps a part that hardly varies from outvoting the others, as a share of its 95 % quantile.
	leastUsual = 1e-3
)

// Fit looks at the window, learns what the parts need, and calibrates their power mean on samples that were held out.
func (d *Auto) Fit(train Train) (Model, error) {
	s := usable(train.Series)
	present := s.Present()
	if present < 20 {
		return nil, fmt.Errorf("%w: %d samples, want at least 20", ErrTooShort, present)
	}
	base, chosen, err := chooseBase(s, train.Zone)
	if errors.Is(err, baseline.ErrConstant) {
		return constantOf(s), nil
	}
	if err != nil {
		return nil, err
	}
	kinds := chooseParts(s, &chosen)
	m := &combined{expected: base.Model, choice: chosen}
	m.center, m.scale = middleOf(s.Values)
	x := m.values(s)
	cuts := [heldBlocks + 1]int{}
	for b := range cuts {
		cuts[b] = lags + b*s.Grid.N/heldBlocks
	}
	sig := signals{standing: held(base.Held)}
	z := led(sig.standing, farStanding)
	m.lead, sig.surprise = heldPrediction(x, cuts)
	m.leadStanding, sig.unexpected = heldPrediction(z, cuts)

	raw := make([]float64, s.Grid.N)
	part, scratch := make([]float64, s.Grid.N), make([]float64, 0, s.Grid.N)
	for _, k := range kinds {
		sig.part(k, part, nil)
		scratch = scratch[:0]
		for i, v := range s.Values {
			if v == v {
				scratch = append(scratch, part[i])
			}
		}
		middle, high := usualSize(scratch)
		if !(high > 0) {
			continue
		}
		p := weighted{kind: k, middle: middle, per: 1 / max(high-middle, leastUsual*high)}
		m.parts = append(m.parts, p)
		m.choice.Parts = append(m.choice.Parts, partNames[k])
		p.add(part, raw)
	}
	if len(m.parts) == 0 {
		return constantOf(s), nil
	}
	for i, v := range s.Values {
		raw[i] = together(raw[i], len(m.parts))
		if v != v {
			raw[i] = math.NaN()
		}
	}
	m.threshold = calibrate(raw, s.Grid.Step, train, d.Budget)
	if chosen.Reason != ReasonSparse { // rare events differ in size from series to series: nothing is usual
		m.theta = m.middle + settled(m.theta-m.middle, d.Budget)
	}
	return m, nil
}

const (
	// usualTheta is how far a threshold for one episode a week usually lies above the median raw score: so that NAB, AIOPS KPI and WSD get 0.9, 1.1 and 1.6 false episodes a week.
	usualTheta = 3.8
	// ownTheta is what the threshold of one window counts beside the usual one.
	ownTheta = 0.25
	// leastTheta is the share of its own threshold that a window keeps: where it is far above the usual one, as for rare events of very different size, that is no luck.
	leastTheta = 2. / 3
	// perBudget is the power of the budget with which the usual threshold falls: a judgement, measured at a budget of one only.
	perBudget = -0.2
)

// settled returns the threshold for a budget from that of one window. What one window says is drawn to the usual threshold: incidents in it push it up, luck and a short
// history pull it down.
// Source: Efron and Morris, Stein's Estimation Rule and Its Competitors, JASA 68(341), 1973, doi:10.1080/01621459.1973.10481350.
func settled(theta, budget float64) float64 {
	drawn := math.Pow(theta, ownTheta) * math.Pow(usualTheta*math.Pow(budget, perBudget), 1-ownTheta)
	return max(drawn, leastTheta*theta)
}

// held returns the held-out distances with every gap taken from the sample before it.
func held(z []float64) []float64 { return filled(z, 0) }

// middleOf returns the median and the usual distance from it; 1 where there is none.
func middleOf(values []float64) (center, scale float64) {
	sc := scalingOf(values)
	return sc.center, sc.scale
}

// led returns the entries, bounded, behind lags copies of the first: what a prediction of the first ones is made from.
func led(x []float64, far float64) []float64 {
	out := make([]float64, lags+len(x))
	for i := range out {
		out[i] = clip(x[max(0, i-lags)], far)
	}
	return out
}

// heldPrediction learns a prediction from all of x and returns its surprises, each by what the other blocks say. x leads by lags entries.
func heldPrediction(x []float64, cuts [heldBlocks + 1]int) (all, surprise []float64) {
	var sums [heldBlocks][]float64
	total := make([]float64, lags+1)
	for b := range sums {
		sums[b] = lagProducts(x, cuts[b], cuts[b+1])
		for k, v := range sums[b] {
			total[k] += v
		}
	}
	surprise = make([]float64, len(x)-lags)
	rest := make([]float64, lags+1)
	for b := range sums {
		for k := range rest {
			rest[k] = total[k] - sums[b][k]
		}
		from, to := cuts[b], cuts[b+1]
		surprises(x[from-lags:to], prediction(rest), surprise[from-lags:to-lags])
	}
	return prediction(total), surprise
}

// combined is a fitted Auto.
type combined struct {
	expected baseline.Model
	choice   Choice
	// center and scale bring values to the numbers that lead predicts; leadStanding predicts standings.
	center, scale      float64
	lead, leadStanding []float64
	parts              []weighted
	threshold
}

// values returns what is predicted: scaled values behind lags copies of the first, gaps taken from the sample before.
func (m *combined) values(s series.Series) []float64 {
	x := filled(s.Values, m.center)
	for i := range x {
		x[i] = (x[i] - m.center) / m.scale
	}
	return led(x, farValue)
}

// signals returns what is expected in a window, and what the parts are computed from. x are its values.
func (m *combined) signals(window series.Series, x []float64) (baseline.Band, signals) {
	n := len(window.Values)
	band := baseline.NewBand(n)
	m.expected.Predict(window, band)
	sig := signals{standing: make([]float64, n), surprise: make([]float64, n), unexpected: make([]float64, n)}
	last := 0.0
	for i, v := range window.Values {
		if baseline.Usable(v) {
			last = band.Score(i, v)
		}
		sig.standing[i] = last
	}
	if n > 0 {
		surprises(x, m.lead, sig.surprise)
		surprises(led(sig.standing, farStanding), m.leadStanding, sig.unexpected)
	}
	return band, sig
}

// Choice returns what was chosen for the window, and why.
func (m *combined) Choice() Choice { return m.choice }

// Score combines the parts.
func (m *combined) Score(window series.Series, warmup int) (Result, error) {
	n := len(window.Values)
	if warmup < 0 || warmup > n {
		return Result{}, fmt.Errorf("warm-up of %d samples in a window of %d", warmup, n)
	}
	x := m.values(window)
	band, sig := m.signals(window, x)
	raw := make([]float64, 2*n)
	raw, part := raw[:n], raw[n:]
	if n > 0 {
		for _, p := range m.parts {
			sig.part(p.kind, part, nil)
			p.add(part, raw)
		}
	}
	r := NewResult(n - warmup)
	for i := range r.Score {
		k := i + warmup
		r.Expected[i], r.Lower[i], r.Upper[i] = band.Center[k], math.NaN(), math.NaN()
		if !baseline.Usable(window.Values[k]) {
			r.Score[i], r.State[i] = math.NaN(), Gap
			continue
		}
		r.Score[i] = m.level(together(raw[k], len(m.parts)))
	}
	return r, nil
}

const shapeCombined = "combined"

// MarshalBinary writes all of it.
func (m *combined) MarshalBinary() ([]byte, error) {
	base, err := m.expected.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("write what is expected: %w", err)
	}
	w := m.threshold.write(written(shapeCombined)).Bytes(base).Text(m.choice.Reason).Floats(m.choice.Share).Floats(m.center, m.scale).Slice(m.lead).Slice(m.leadStanding).Ints(int64(len(m.parts)))
	for _, p := range m.parts {
		w = w.Ints(int64(p.kind)).Floats(p.middle, p.per)
	}
	return w, nil
}

func (*Auto) unmarshal(data []byte) (Model, error) {
	r := wire.NewReader(data)
	if r.Text() != shapeCombined {
		return readModel(data, nil)
	}
	m := &combined{threshold: readThreshold(r)}
	var err error
	if m.expected, err = baseline.Unmarshal(r.Bytes()); err != nil {
		return nil, err
	}
	m.choice.Reason, m.choice.Share = r.Text(), r.Float()
	m.center, m.scale, m.lead, m.leadStanding = r.Float(), r.Float(), r.Slice(), r.Slice()
	n := r.Int()
	if len(m.lead) != lags || len(m.leadStanding) != lags || n < 1 || n > int64(partKinds) {
		r.Fail()
		n = 0
	}
	for range n {
		k := r.Int()
		if k < 0 || k >= int64(partKinds) {
			r.Fail()
			break
		}
		m.parts = append(m.parts, weighted{kind: partKind(k), middle: r.Float(), per: r.Float()})
		m.choice.Parts = append(m.choice.Parts, partNames[k])
	}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%d bytes: %w", len(data), err)
	}
	return m, nil
}

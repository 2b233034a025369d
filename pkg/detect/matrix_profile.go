package detect

import (
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "matrix_profile",
		Summary: "Tells how much the latest window differs from every earlier one: a shape that never came before.",
		Source:  "Yeh et al., Matrix Profile I, ICDM 2016, doi:10.1109/ICDM.2016.0179; left profile as in Lu et al., Matrix Profile XXIV, KDD 2022, doi:10.1145/3534678.3539271",
		New: func() Detector {
			return &MatrixProfile{Window: 30, Scale: "series", Reference: 2880, budget: budget{Budget: 1}}
		},
	})
}

// MatrixProfile judges windows by the distance from the nearest earlier one.
type MatrixProfile struct {
	Window    int    `json:"window" yaml:"window" min:"4" max:"300" unit:"samples" help:"How many samples are compared as one shape. A review takes the period of the series instead."`
	Scale     string `json:"scale" yaml:"scale" enum:"series,window" help:"Sizes count in usual deviations of the series, or each window is brought to the same size first."`
	Reference int    `json:"reference" yaml:"reference" min:"100" max:"100000" unit:"samples" help:"How many of the latest samples of the training window are compared with. The cost grows with it."`
	budget
}

// shapeFarthest bounds scaled samples here: covariances that follow from one another must not lose small shapes after an enormous value.
const shapeFarthest = 1e4

// Validate reports a reference that holds no windows.
func (d *MatrixProfile) Validate() error {
	if d.Reference < 4*d.Window {
		return fmt.Errorf("parameter \"reference\": got %d, want at least four windows, which are %d", d.Reference, 4*d.Window)
	}
	return nil
}

// Catches what has a shape that never came before.
func (*MatrixProfile) Catches() Kinds { return Spike | Drop | Shift }

// Context is the window less the judged sample.
func (d *MatrixProfile) Context(int64) int { return d.Window - 1 }

// Fit keeps the reference and calibrates the threshold on parts that are left out of it.
func (d *MatrixProfile) Fit(train Train) (Model, error) {
	return fitMeasured(d, d.Window-1, train, d.Budget)
}

func (d *MatrixProfile) learn(train series.Series, _ *time.Location) (measure, error) {
	m := &discords{scaling: scalingOf(train.Values), w: d.Window, each: d.Scale == "window", step: train.Grid.Step}
	values := m.scaled(train.Values)
	kept := 0
	of := runs(train.Values, d.Window)
	for i := len(of) - 1; i >= 0 && kept < d.Reference; i-- { // the latest first
		r := of[i]
		from := max(r[0], r[1]-max(d.Reference-kept, d.Window))
		m.parts = append(m.parts, part{start: train.Grid.At(from), profile: m.profile(unpacked(packed(values[from:r[1]])))})
		kept += r[1] - from
	}
	windows := kept - len(m.parts)*(d.Window-1)
	if windows < 3*d.Window {
		return nil, fmt.Errorf("%w: %d windows of %d samples, want at least %d", ErrTooShort, windows, d.Window, 3*d.Window)
	}
	m.standing = m.usual(windows)
	return m, nil
}

// usualStretches is how many stretches of the reference tell what a usual distance is.
const usualStretches = 8

// usual learns what distances windows of the reference have from the rest of it.
func (m *discords) usual(windows int) standing {
	var scores []float64
	long := max(m.w, min(windows/usualStretches, standingSamples/usualStretches)) + m.w - 1
	for k := range usualStretches {
		at := k * windows / usualStretches
		for _, p := range m.parts {
			n := len(p.profile.mean)
			if at >= n {
				at -= n
				continue
			}
			to := min(at+long, len(p.profile.values))
			q := m.profile(p.profile.values[at:to])
			squared := q.unmatched()
			m.nearest(q, p.start+int64(at)*m.step, squared)
			scores = append(scores, finiteRoots(squared)...)
			break
		}
	}
	return standingOf(scores)
}

// finiteRoots returns the distances of the windows that have a match.
func finiteRoots(squared []float64) []float64 {
	var out []float64
	for _, s := range squared {
		if !math.IsInf(s, 1) {
			out = append(out, math.Sqrt(s))
		}
	}
	return out
}

func (*MatrixProfile) unmarshal(data []byte) (Model, error) {
	return readModel(data, func(r *wire.Reader) measure {
		m := &discords{scaling: readScaling(r), standing: readStanding(r), w: int(r.Int()), each: r.Int() == 1, step: r.Int()}
		n := r.Int()
		if m.w < 2 || m.w > maxWindow || m.step <= 0 || n < 1 || n > 1e6 {
			r.Fail()
			return nil
		}
		for range n {
			start, values := r.Int(), unpacked(r.Bytes())
			if len(values) < m.w || !allFinite(values) {
				r.Fail()
				return nil
			}
			m.parts = append(m.parts, part{start: start, profile: m.profile(values)})
		}
		return m
	})
}

// discords judges a sample by the window that ends with it: the distance from the nearest window of the reference, or of what came since, that it shares no sample with.
type discords struct {
	scaling  scaling
	standing standing
	w        int
	each     bool
	step     int64
	parts    []part
}

// part is one stretch of the reference; start is the time of its first sample.
type part struct {
	start   int64
	profile *profiled
}

func (m *discords) scaled(values []float64) []float64 {
	v := m.scaling.of(values)
	for i, x := range v {
		v[i] = min(max(x, -shapeFarthest), shapeFarthest)
	}
	return v
}

func (m *discords) profile(values []float64) *profiled {
	if m.each {
		return profile(values, m.w, 0)
	}
	return profile(values, m.w, 1)
}

// nearest lowers the squared distances of the windows of p, whose first sample is stamped start, to those from the reference.
func (m *discords) nearest(p *profiled, start int64, squared []float64) {
	for _, r := range m.parts {
		p.nearest(r.profile, 0, len(r.profile.mean), int((r.start-start)/m.step), squared)
	}
}

func (m *discords) measure(window series.Series, dst []float64) {
	p := m.profile(m.scaled(window.Values))
	squared := p.unmatched()
	m.nearest(p, window.Grid.Start, squared)
	m.since(p, window.Grid.Start, squared)
	for i, s := range squared {
		if math.IsInf(s, 1) {
			squared[i] = 0
			continue
		}
		squared[i] = m.standing.of(math.Sqrt(s))
	}
	atEnds(squared, dst, m.w)
}

// sinceWindows bounds how many windows that came after the reference are compared with: as many as come in five days of one a minute.
const sinceWindows = 8192

// since lowers the squared distances of windows that lie after the reference to those from earlier ones of their kind: what came once since the fit is known.
func (m *discords) since(p *profiled, start int64, squared []float64) {
	end := m.parts[0].start + int64(len(m.parts[0].profile.values))*m.step
	p.earlier(max(0, int((end-start+m.step-1)/m.step)), sinceWindows, squared)
}

const (
	// reviewedSamples is the length up to which every window is compared with every other; in longer series with those of reviewStretches stretches.
	reviewedSamples = 20_000
	reviewStretches = 8
)

// Review compares windows as long as the period of the series with all others, also later ones, and spreads their distances over the samples that they cover.
func (d *MatrixProfile) Review(s series.Series, _ *time.Location) ([]float64, error) {
	values, w, err := reviewable(s)
	if err != nil {
		return nil, err
	}
	m := &discords{each: d.Scale == "window", w: w}
	for i, x := range values {
		values[i] = min(max(x, -shapeFarthest), shapeFarthest)
	}
	p := m.profile(values)
	squared, n := p.unmatched(), len(p.mean)
	if n <= reviewedSamples {
		p.pairs(squared)
	} else {
		for k := range reviewStretches {
			from := k * (n - reviewedWindows/2) / (reviewStretches - 1)
			p.nearest(p, from, from+reviewedWindows/2, 0, squared)
		}
	}
	for i, x := range squared {
		if squared[i] = 0; !math.IsInf(x, 1) {
			squared[i] = math.Sqrt(x)
		}
	}
	return onlySamples(spreadOver(squared, len(values), w), s), nil
}

func (m *discords) write(w wire.Writer) wire.Writer {
	each := int64(0)
	if m.each {
		each = 1
	}
	w = m.standing.write(m.scaling.write(w)).Ints(int64(m.w), each, m.step, int64(len(m.parts)))
	for _, p := range m.parts {
		w = w.Ints(p.start).Bytes(packed(p.profile.values))
	}
	return w
}

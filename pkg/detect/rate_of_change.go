package detect

import (
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "rate_of_change",
		Summary: "Compares how much the series changed over a few minutes with how much it usually changes at that hour.",
		Source:  "Differences with robust location and scale, Rousseeuw and Croux, JASA 88(424), 1993, doi:10.1080/01621459.1993.10476408; threshold by peaks over threshold, Siffer et al., KDD 2017, doi:10.1145/3097983.3098144",
		New: func() Detector {
			return &RateOfChange{Span: registry.Duration(10 * time.Minute), budget: budget{Budget: 1}}
		},
	})
}

// RateOfChange judges the difference of samples a time span apart.
type RateOfChange struct {
	Span registry.Duration `json:"span" yaml:"span" min:"1" max:"604800" help:"The change over this time is judged; at least one step."`
	budget
}

// Validate accepts all that the tags do.
func (*RateOfChange) Validate() error { return nil }

// steps returns the span in samples.
func (d *RateOfChange) steps(step int64) int { return int(max(1, d.Span.Milliseconds()/step)) }

// Fit learns the usual change by hour of the day.
func (d *RateOfChange) Fit(train Train) (Model, error) {
	return fitMeasured(d, d.Context(train.Series.Grid.Step), train, d.Budget)
}

// Context returns two spans: one to compare with, one more where that sample is missing.
func (d *RateOfChange) Context(step int64) int { return 2 * d.steps(step) }

// Catches what comes within the span.
func (*RateOfChange) Catches() Kinds { return Spike | Drop | Shift }

const (
	// changeHours is how many parts of the day have a usual change of their own, changeSamples how many changes each needs, and changeShare the least share of the overall
	// scale that one has.
	changeHours, changeSamples = 24, 30
	changeShare                = 0.3
)

// learn takes the median change and its median absolute deviation by hour of the day.
func (d *RateOfChange) learn(train series.Series, zone *time.Location) (measure, error) {
	if zone == nil {
		zone = time.UTC
	}
	m := &change{zone: zone, steps: d.steps(train.Grid.Step), middle: make([]float64, changeHours), scale: make([]float64, changeHours)}
	clock := season.NewClock(zone)
	by, all := make([][]float64, changeHours), []float64(nil)
	for i, x := range train.Values {
		if i < m.steps {
			continue
		}
		if c := x - train.Values[i-m.steps]; c-c == 0 {
			h := hourOf(clock, train.Grid.At(i))
			by[h] = append(by[h], c)
			all = append(all, c)
		}
	}
	if len(all) < changeSamples {
		return nil, fmt.Errorf("%w: %d changes over %s, want at least %d", ErrTooShort, len(all), d.Span, changeSamples)
	}
	low, high := extentOf(train.Values)
	center := robust.Median(all, nil)
	floor := max(changeShare*scaleOf(all, center), 1e-4*(high-low), math.SmallestNonzeroFloat64)
	for h, cs := range by {
		m.middle[h], m.scale[h] = center, floor/changeShare
		if len(cs) >= changeSamples {
			m.middle[h] = robust.Median(cs, nil)
			m.scale[h] = max(floor, scaleOf(cs, m.middle[h]))
		}
	}
	return m, nil
}

func hourOf(clock *season.Clock, t int64) int {
	_, tod := clock.Day(t)
	return int(tod * changeHours / season.DayMillis)
}

// scaleOf is the usual distance from the center: the median, or where more than half are equal the mean.
func scaleOf(xs []float64, center float64) float64 {
	if s := robust.Gaussian * robust.MAD(xs, center, nil); s > 0 {
		return s
	}
	d := make([]float64, len(xs))
	for i, x := range xs {
		d[i] = math.Abs(x - center)
	}
	return robust.GaussianMean * robust.Mean(d)
}

// extentOf returns the lowest and the highest value.
func extentOf(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, x := range values {
		if x == x {
			low, high = min(low, x), max(high, x)
		}
	}
	return low, high
}

// change is a fitted RateOfChange.
type change struct {
	zone          *time.Location
	steps         int
	middle, scale []float64
}

// measure writes how many usual distances a change is from the usual one; 0 where there is nothing to compare with.
func (m *change) measure(window series.Series, dst []float64) {
	clock := season.NewClock(m.zone)
	for i, x := range window.Values {
		dst[i] = 0
		if i > 0 {
			dst[i] = dst[i-1] // a gap
		}
		if !baseline.Usable(x) {
			continue
		}
		dst[i] = 0
		for k := i - m.steps; k >= max(0, i-2*m.steps); k-- {
			if before := window.Values[k]; baseline.Usable(before) {
				h := hourOf(clock, window.Grid.At(i))
				dst[i] = math.Abs(x-before-m.middle[h]) / m.scale[h]
				break
			}
		}
	}
}

func (m *change) write(w wire.Writer) wire.Writer {
	return w.Text(m.zone.String()).Ints(int64(m.steps)).Slice(m.middle).Slice(m.scale)
}

func (*RateOfChange) unmarshal(data []byte) (Model, error) {
	return readModel(data, func(r *wire.Reader) measure {
		zone, err := time.LoadLocation(r.Text())
		m := &change{zone: zone, steps: int(r.Int()), middle: r.Slice(), scale: r.Slice()}
		if err != nil || zone.String() == "Local" || m.steps < 1 || m.steps > 1<<30 || len(m.middle) != changeHours || len(m.scale) != changeHours {
			r.Fail()
		}
		return m
	})
}

package detect

import (
	"math"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/series"
)

// bounded is implemented by models whose limits cost more than their scores: they are found for the samples that somebody will look at.
type bounded interface {
	// limits writes Lower and Upper of the entries of r that are wanted; r is what Score said of the same window and warm-up.
	limits(window series.Series, warmup int, r Result, wanted func(i int) bool)
}

// limits finds, with the samples before it as they were, the values between which a sample would have been ordinary: those at which its score reaches 1, on both sides of an
// ordinary value. Where no value would have been ordinary, as in the middle of an incident, the samples before it are taken to be what was expected; where the sample would be
// ordinary then, its limits stay NaN.
func (m *combined) limits(window series.Series, warmup int, r Result, wanted func(i int) bool) {
	var l *limiter
	for i := range r.Score {
		if r.State[i] != OK || !wanted(i) {
			continue
		}
		if l == nil {
			l = m.limiter(window)
		}
		r.Lower[i], r.Upper[i] = l.of(i+warmup, r.Score[i] < 1)
	}
}

// limiter tells what a combined would say of another value at one sample of a window.
type limiter struct {
	*combined
	window series.Series
	band   baseline.Band
	x      []float64 // scaled values behind lags others
	sig    signals
	// stood and suddenly are the sums of all standings before a sample, as far as partStanding120 and partSudden count them.
	stood, suddenly []float64
	// bar is what the root of the parts' sum must reach.
	bar float64

	// Of the sample at hand: its predictions, and by part what the samples before it add.
	at                  int
	predicted, standing float64
	sums, squares       [partKinds]float64
	n                   [partKinds]float64
	// before is the mean that partSudden compares with.
	before float64
}

func (m *combined) limiter(window series.Series) *limiter {
	l := &limiter{combined: m, window: window, x: m.values(window)}
	l.band, l.sig = m.signals(window, l.x)
	l.stood, l.suddenly = sumsBefore(l.sig.standing, farStanding), sumsBefore(l.sig.standing, farSudden)
	l.bar = barOf(m.theta, len(m.parts))
	return l
}

// sumsBefore returns the sum of the bounded entries before each, and of all at the end.
func sumsBefore(x []float64, far float64) []float64 {
	out := make([]float64, len(x)+1)
	for i, v := range x {
		out[i+1] = out[i] + clip(v, far)
	}
	return out
}

// partWindow is how many samples a part looks at, that of the moment included.
var partWindow = [partKinds]int{1, 5, 30, 5, 15, 60, 15, 15, 120, suddenNow}

// to makes the limiter ready for sample i.
func (l *limiter) to(i int) {
	l.at = i
	// What is predicted is what the sample was less its surprise.
	l.predicted = l.x[i+lags] - l.sig.surprise[i]
	l.standing = clip(l.sig.standing[i], farStanding) - l.sig.unexpected[i]
	for _, p := range l.parts {
		from := max(0, i-partWindow[p.kind]+1)
		l.n[p.kind] = float64(i - from + 1)
		src, far := l.sig.standing, float64(farStanding)
		switch p.kind {
		case partStanding120:
			l.sums[p.kind] = l.stood[i] - l.stood[from]
			continue
		case partSudden:
			l.sums[p.kind] = l.suddenly[i] - l.suddenly[from]
			l.before = math.NaN()
			if n := min(from, suddenBefore); n >= suddenNow {
				l.before = (l.suddenly[from] - l.suddenly[from-n]) / float64(n)
			}
			continue
		case partSurprise5, partSurprise15, partSurprise60:
			src, far = l.sig.surprise, farSurprise
		case partUnexpected15:
			src, far = l.sig.unexpected, farSurprise
		}
		sum, squares := 0.0, 0.0
		for _, x := range src[from:i] {
			x = clip(x, far)
			sum += x
			squares += x * x
		}
		l.sums[p.kind], l.squares[p.kind] = sum, squares
	}
}

// calm makes the limiter ready for sample i as if those before it had been what was expected.
func (l *limiter) calm(i int) {
	l.predicted, l.standing = (l.band.Center[i]-l.center)/l.scale, 0
	l.sums, l.squares, l.before = [partKinds]float64{}, [partKinds]float64{}, 0
	for k, n := range partWindow {
		l.n[k] = float64(n)
	}
}

// beyond returns how far v at the sample lies above the threshold, on a scale of its own; negative where v is ordinary.
func (l *limiter) beyond(v float64) float64 {
	z := l.band.Score(l.at, v)
	near := clip(z, farStanding)
	surprise := clip(clip((v-l.center)/l.scale, farValue)-l.predicted, farSurprise)
	unexpected := clip(near-l.standing, farSurprise)
	raw := 0.0
	for _, p := range l.parts {
		k := p.kind
		var x float64
		switch k {
		case partStanding:
			x = math.Abs(z)
		case partStanding5, partStanding30, partStanding120:
			x = math.Abs(l.sums[k]+near) / l.n[k]
		case partSurprise5, partSurprise15, partSurprise60:
			x = math.Sqrt((l.squares[k] + surprise*surprise) / l.n[k])
		case partUnexpected15:
			x = math.Sqrt((l.squares[k] + unexpected*unexpected) / l.n[k])
		case partRestless15:
			mean := (l.sums[k] + near) / l.n[k]
			x = math.Sqrt(max((l.squares[k]+near*near)/l.n[k]-mean*mean, 0))
		case partSudden:
			if x = math.Abs((l.sums[k]+clip(near, farSudden))/suddenNow - l.before); x != x {
				x = 0
			}
		}
		raw += raised(p.of(x))
	}
	return math.Sqrt(raw) - l.bar
}

const (
	// firstStep is where a limit is looked for first, in usual distances from an ordinary value.
	firstStep = 4
	// doublings look further for a value that is no longer ordinary.
	doublings = 40
	// narrowings bring a limit within a thirtieth of the distance to it, and in practice within a thousandth: secants and halvings in turn.
	narrowings = 10
)

// of returns the limits at sample i, of which ordinary tells what its own score said.
func (l *limiter) of(i int, ordinary bool) (lower, upper float64) {
	l.to(i)
	v := l.window.Values[i]
	if ordinary {
		return l.edge(v, v, -l.band.Down[i], true), l.edge(v, v, l.band.Up[i], true)
	}
	// What is expected at that time, or what the samples before lead to, whichever is the more ordinary.
	inside := l.band.Center[i]
	if led := l.predicted*l.scale + l.center; l.beyond(led) < l.beyond(inside) {
		inside = led
	}
	if !(l.beyond(inside) < 0) {
		// In the middle of an incident nothing is ordinary. What would be, had the samples before been as expected?
		l.calm(i)
		if inside = l.band.Center[i]; !(l.beyond(inside) < 0) || l.beyond(v) < 0 {
			return math.NaN(), math.NaN()
		}
	}
	return l.edge(inside, v, -l.band.Down[i], v > inside), l.edge(inside, v, l.band.Up[i], v < inside)
}

// edge returns where the score reaches 1 on the way from an ordinary value inside, in usual distances of that sign and size. Where it is not open, v lies on that side and
// is not ordinary.
// Source of the secants: Dowell and Jarratt, A modified regula falsi method for computing the root of an equation, BIT 11, 1971, doi:10.1007/BF01934364 (Illinois).
func (l *limiter) edge(inside, v, usual float64, open bool) float64 {
	outside := v
	if open {
		outside = inside + firstStep*usual
	}
	fi, fo := l.beyond(inside), l.beyond(outside)
	for k := 0; fo < 0; k++ {
		if k == doublings {
			return math.Inf(int(math.Copysign(1, usual)))
		}
		inside, fi, outside = outside, fo, outside+2*(outside-inside)
		fo = l.beyond(outside)
	}
	for k := range narrowings {
		next := inside + (outside-inside)*fi/(fi-fo)
		if k%2 == 1 { // a secant may creep along one side
			next = inside + (outside-inside)/2
		}
		if f := l.beyond(next); f < 0 {
			inside, fi = next, f
		} else {
			outside, fo = next, f
		}
	}
	return outside
}

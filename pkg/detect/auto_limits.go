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
	// near are the standings as other parts count them. The rest are squares of what is counted.
	near, nearSquares, surprised, unexpected []float64
	// bar is what the straightened sum of the parts must reach; first is how far above what is expected the first sample's limit would be after calm, in usual distances: where
	// the others' are looked for first.
	bar, first float64

	// Of the sample at hand: its predictions, and the parts without it.
	at                  int
	predicted, standing float64
	lacking             []lacking
	// before is the mean that partSudden compares with.
	before float64
}

// lacking is a part without the sample at hand: what the samples before it add, and the share that one sample has.
type lacking struct {
	weighted
	sum, squares, share float64
}

func (m *combined) limiter(window series.Series) *limiter {
	n := len(window.Values)
	l := &limiter{combined: m, window: window, x: m.values(window), bar: straight(barOf(m.theta, len(m.parts))), first: firstStep}
	l.band, l.sig = m.signals(window, l.x)
	l.stood, l.suddenly = sumsBefore(l.sig.standing, farStanding), sumsBefore(l.sig.standing, farSudden)
	l.near, l.nearSquares, l.surprised, l.unexpected = make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i, z := range l.sig.standing {
		near, surprise, unexpected := clip(z, farStanding), clip(l.sig.surprise[i], farSurprise), clip(l.sig.unexpected[i], farSurprise)
		l.near[i], l.nearSquares[i], l.surprised[i], l.unexpected[i] = near, near*near, surprise*surprise, unexpected*unexpected
	}
	for _, p := range m.parts {
		l.lacking = append(l.lacking, lacking{weighted: p})
	}
	if n > 0 {
		l.calm(0)
		center, usual := l.band.Center[0], l.band.Up[0]
		if f := l.beyond(center); f < 0 {
			l.first = (l.edge(center, f, center+firstStep*usual) - center) / usual
		}
	}
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

// sumOf adds numbers four at a time.
func sumOf(x []float64) float64 {
	var s0, s1, s2, s3 float64
	for ; len(x) >= 4; x = x[4:] {
		s0 += x[0]
		s1 += x[1]
		s2 += x[2]
		s3 += x[3]
	}
	for _, v := range x {
		s0 += v
	}
	return s0 + s1 + (s2 + s3)
}

// partWindow is how many samples a part looks at, that of the moment included.
var partWindow = [partKinds]int{1, 5, 30, 5, 15, 60, 15, 15, 120, suddenNow}

// to makes the limiter ready for sample i.
func (l *limiter) to(i int) {
	l.at = i
	// What is predicted is what the sample was less its surprise.
	l.predicted = l.x[i+lags] - l.sig.surprise[i]
	l.standing = l.near[i] - l.sig.unexpected[i]
	for k := range l.lacking {
		p := &l.lacking[k]
		from := max(0, i-partWindow[p.kind]+1)
		p.share = 1 / float64(i-from+1)
		switch p.kind {
		case partStanding120:
			p.sum = l.stood[i] - l.stood[from]
		case partSudden:
			p.sum = l.suddenly[i] - l.suddenly[from]
			l.before = math.NaN()
			if n := min(from, suddenBefore); n >= suddenNow {
				l.before = (l.suddenly[from] - l.suddenly[from-n]) / float64(n)
			}
		case partStanding5, partStanding30:
			p.sum = sumOf(l.near[from:i])
		case partRestless15:
			p.sum, p.squares = sumOf(l.near[from:i]), sumOf(l.nearSquares[from:i])
		case partSurprise5, partSurprise15, partSurprise60:
			p.squares = sumOf(l.surprised[from:i])
		case partUnexpected15:
			p.squares = sumOf(l.unexpected[from:i])
		}
	}
}

// calm makes the limiter ready for sample i as if those before it had been what was expected.
func (l *limiter) calm(i int) {
	l.predicted, l.standing, l.before = (l.band.Center[i]-l.center)/l.scale, 0, 0
	for k := range l.lacking {
		p := &l.lacking[k]
		p.sum, p.squares, p.share = 0, 0, 1/float64(partWindow[p.kind])
	}
}

// beyond returns how far v at the sample lies above the threshold, on a scale of its own; negative where v is ordinary.
func (l *limiter) beyond(v float64) float64 {
	z := l.band.Score(l.at, v)
	near := clip(z, farStanding)
	surprise := clip(clip((v-l.center)/l.scale, farValue)-l.predicted, farSurprise)
	surprise *= surprise
	unexpected := clip(near-l.standing, farSurprise)
	raw := 0.0
	for k := range l.lacking {
		p := &l.lacking[k]
		var x float64
		switch p.kind {
		case partStanding:
			x = math.Abs(z)
		case partStanding5, partStanding30, partStanding120:
			x = math.Abs(p.sum+near) * p.share
		case partSurprise5, partSurprise15, partSurprise60:
			x = math.Sqrt((p.squares + surprise) * p.share)
		case partUnexpected15:
			x = math.Sqrt((p.squares + unexpected*unexpected) * p.share)
		case partRestless15:
			mean := (p.sum + near) * p.share
			x = math.Sqrt(max((p.squares+near*near)*p.share-mean*mean, 0))
		case partSudden:
			if x = math.Abs((p.sum+clip(near, farSudden))/suddenNow - l.before); x != x {
				x = 0
			}
		}
		raw += raised(p.of(x))
	}
	return straight(raw) - l.bar
}

// straight makes the sum of the parts' powers grow about as far as the value goes: so that secants find where it reaches the bar. It is the power ⅜, near the inverse of partPower.
func straight(sum float64) float64 {
	q := math.Sqrt(math.Sqrt(sum))
	return q * math.Sqrt(q)
}

const (
	// firstStep is where a limit is looked for first where nothing better is known, in usual distances from an ordinary value.
	firstStep = 4
	// doublings look further for a value that is no longer ordinary.
	doublings = 40
	// narrowings bound the search for a limit, which takes four of them as a rule.
	narrowings = 40
	// sharp is how near a limit is found, as a share of its distance from the ordinary value that it was looked for from.
	sharp = 1e-3
)

// of returns the limits at sample i, of which ordinary tells what its own score said.
func (l *limiter) of(i int, ordinary bool) (lower, upper float64) {
	l.to(i)
	v := l.window.Values[i]
	if ordinary {
		f := l.beyond(v)
		return l.search(v, f, -l.band.Down[i]), l.search(v, f, l.band.Up[i])
	}
	// What is expected at that time, or what the samples before lead to, whichever is the more ordinary.
	inside := l.band.Center[i]
	f := l.beyond(inside)
	led := l.predicted*l.scale + l.center
	if g := l.beyond(led); g < f {
		inside, f = led, g
	}
	if !(f < 0) {
		// In the middle of an incident nothing is ordinary. What would be, had the samples before been as expected?
		l.calm(i)
		inside = l.band.Center[i]
		if f = l.beyond(inside); !(f < 0) || l.beyond(v) < 0 {
			return math.NaN(), math.NaN()
		}
	}
	if v > inside {
		return l.search(inside, f, -l.band.Down[i]), l.edge(inside, f, v)
	}
	return l.edge(inside, f, v), l.search(inside, f, l.band.Up[i])
}

// search returns where the score reaches 1 on the way from an ordinary value inside, of which beyond says f, in usual distances of that sign and size.
func (l *limiter) search(inside, f, usual float64) float64 {
	outside := l.band.Center[l.at] + l.first*usual
	if !((outside-inside)/usual >= 1) || math.IsInf(outside, 0) { // what is expected is not what is ordinary now, or standing alone is never abnormal
		outside = inside + firstStep*usual
	}
	return l.edge(inside, f, outside)
}

// edge returns where the score reaches 1 on the way from an ordinary value inside, of which beyond says f, to outside and further on. The sample would have been abnormal there.
// Source of the secants: Anderson and Björck, A new high order method of regula falsi type for computing a root of an equation, BIT 13, 1973, doi:10.1007/BF01951936.
func (l *limiter) edge(inside, f, outside float64) float64 {
	start, g := inside, l.beyond(outside)
	for k := 0; g < 0; k++ {
		if k == doublings {
			return math.Inf(int(math.Copysign(1, outside-start)))
		}
		further := 2.0
		if g > f && k < doublings/4 { // else it became more ordinary on the way, or comes no nearer
			further = min(further, 1.25*g/(f-g))
		}
		inside, f, outside = outside, g, outside+further*(outside-inside)
		g = l.beyond(outside)
	}
	last := 0.0 // the one of f and g that moved last
	for range narrowings {
		near := sharp * math.Abs(outside-start)
		width := outside - inside
		if math.Abs(width) <= near {
			break
		}
		// Half of that away from both ends, so that one of the next values closes the gap from the other side.
		least := near / 2 / math.Abs(width)
		next := inside + width*min(max(f/(f-g), least), 1-least)
		h := l.beyond(next)
		if h < 0 {
			if last < 0 {
				g *= kept(h / f)
			}
			inside, f = next, h
		} else {
			if last > 0 {
				f *= kept(h / g)
			}
			outside, g = next, h
		}
		last = math.Copysign(1, h)
	}
	return outside
}

// kept is the factor on what was found at the far end of a secant when the near end moved, and what was found there became so many times what it was: it draws the next secant over the root.
func kept(ratio float64) float64 {
	if ratio < 1 {
		return 1 - ratio
	}
	return 0.5
}

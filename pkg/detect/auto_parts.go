package detect

import (
	"math"

	"github.com/foreshock/foreshock/pkg/robust"
)

// partKind is one way in which a sample can be unusual. Its raw score is 0 or more; a part depends on the samples up to its own only.
type partKind uint8

// The parts that auto combines. A standing is the distance from what is expected at that time in usual distances; a surprise is the distance from what the samples just
// before lead to, by a linear prediction.
const (
	// partStanding: the distance of the sample itself.
	partStanding partKind = iota
	// partStanding5 and partStanding30: of the mean of the last samples, for small deviations that stay.
	partStanding5
	partStanding30
	// partSurprise5, partSurprise15 and partSurprise60: the root mean square of the surprises of the last samples.
	partSurprise5
	partSurprise15
	partSurprise60
	// partUnexpected15: the same for what the expected value leaves over, where the surprises at one time of the day are usual ones.
	partUnexpected15
	// partRestless15: the standard deviation of the last standings.
	partRestless15
	// partStanding120: a mean as partStanding5, for changes of hours.
	partStanding120
	// partSudden: the distance of the mean of the last 5 standings from that of the 240 before them: what is new, also where the level drifts from day to day.
	partSudden
	partKinds
)

// partNames are those of the parts in a choice, in order; they are keys of texts.
var partNames = [partKinds]string{"standing", "standing5", "standing30", "surprise5", "surprise15", "surprise60", "unexpected15", "restless15", "standing120", "sudden"}

const (
	// lags is how many samples a prediction looks back.
	lags = 30
	// suddenNow and suddenBefore are how many samples partSudden compares with how many before them.
	suddenNow, suddenBefore = 5, 240
	// reach is the longest window of a part: together with lags it is the context.
	reach = suddenNow + suddenBefore
	// farSudden bounds what one standing adds to the two means of partSudden: one spike must not be what the hours before were like.
	farSudden = 10
	// farStanding and farSurprise bound what one sample adds to a mean: an outlier shows in its window, and leaves no rounding behind when it left it.
	farStanding, farSurprise = 30, 1e4
	// farValue bounds the values that a prediction is made from, in usual distances from the middle.
	farValue = 50
	// noiseShare is the share of the variance that counts as noise in a prediction: without it a smooth series is predicted to its last digit, and rounding is a surprise.
	noiseShare = 1e-3
)

// signals are what the parts are computed from: one entry per sample each.
type signals struct {
	// standing is the distance from what is expected, in usual distances, negative below.
	standing []float64
	// surprise is that from the prediction of the values, unexpected that of the standings.
	surprise, unexpected []float64
}

// part writes the raw score of one kind into dst. squares is room for as many numbers.
func (s signals) part(k partKind, dst, squares []float64) {
	switch k {
	case partStanding:
		for i, z := range s.standing {
			dst[i] = math.Abs(z)
		}
	case partStanding5:
		rollingMean(s.standing, 5, dst)
	case partStanding30:
		rollingMean(s.standing, 30, dst)
	case partSurprise5:
		rollingSize(s.surprise, 5, dst)
	case partSurprise15:
		rollingSize(s.surprise, 15, dst)
	case partSurprise60:
		rollingSize(s.surprise, 60, dst)
	case partUnexpected15:
		rollingSize(s.unexpected, 15, dst)
	case partRestless15:
		rollingDeviation(s.standing, 15, dst)
	case partStanding120:
		rollingMean(s.standing, 120, dst)
	case partSudden:
		rollingChange(s.standing, dst)
	}
}

func clip(x, far float64) float64 {
	if x > far {
		return far
	}
	if x < -far {
		return -far
	}
	return x
}

// rollingMean writes the distance of the mean of the last w entries from 0, of as many as there are at the beginning.
func rollingMean(src []float64, w int, dst []float64) {
	sum := 0.0
	for i, x := range src {
		sum += clip(x, farStanding)
		n := i + 1
		if i >= w {
			sum -= clip(src[i-w], farStanding)
			n = w
		}
		dst[i] = math.Abs(sum) / float64(n)
	}
}

// rollingChange writes the distance of the mean of the last suddenNow entries from that of the suddenBefore ones before them, of as many as there are; 0 where there are too
// few to compare with.
func rollingChange(src, dst []float64) {
	now, before := 0.0, 0.0
	for i, x := range src {
		now += clip(x, farSudden)
		if i >= suddenNow {
			y := clip(src[i-suddenNow], farSudden)
			now -= y
			before += y
		}
		if i >= reach {
			before -= clip(src[i-reach], farSudden)
		}
		dst[i] = 0
		if n := min(i+1-suddenNow, suddenBefore); n >= suddenNow {
			dst[i] = math.Abs(now/suddenNow - before/float64(n))
		}
	}
}

// rollingSize writes the root mean square of the last w entries.
func rollingSize(src []float64, w int, dst []float64) {
	sum := 0.0
	for i, x := range src {
		x = clip(x, farSurprise)
		sum += x * x
		n := i + 1
		if i >= w {
			y := clip(src[i-w], farSurprise)
			sum -= y * y
			n = w
		}
		dst[i] = math.Sqrt(max(sum, 0) / float64(n))
	}
}

// rollingDeviation writes the standard deviation of the last w entries.
func rollingDeviation(src []float64, w int, dst []float64) {
	sum, squares := 0.0, 0.0
	for i, x := range src {
		x = clip(x, farStanding)
		sum += x
		squares += x * x
		n := i + 1
		if i >= w {
			y := clip(src[i-w], farStanding)
			sum -= y
			squares -= y * y
			n = w
		}
		m := sum / float64(n)
		dst[i] = math.Sqrt(max(squares/float64(n)-m*m, 0))
	}
}

// lagProducts returns Σ x(i)·x(i−k) over [from, to) for k = 0 … lags, where earlier entries of x may be reached, later ones never.
func lagProducts(x []float64, from, to int) []float64 {
	sums := make([]float64, lags+1)
	for k := 0; k <= lags; k++ {
		if from >= lags && k < lags && from < to {
			sums[k], sums[k+1] = twoProducts(x[from:to], x[from-k-1:to-k])
			k++
			continue
		}
		if a := max(from, k); a < to {
			sums[k] = product(x[a:to], x[a-k:to-k])
		}
	}
	return sums
}

// product returns Σ a(i)·b(i), four at a time.
func product(a, b []float64) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

// twoProducts returns product of a and of b[1:], and of a and of b, which share most of what they read.
func twoProducts(a, b []float64) (near, far float64) {
	b = b[:len(a)+1]
	var s0, s1, s2, s3, t0, t1, t2, t3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		a4, b5 := (*[4]float64)(a[i:]), (*[5]float64)(b[i:])
		a0, a1, a2, a3 := a4[0], a4[1], a4[2], a4[3]
		b1, b2, b3 := b5[1], b5[2], b5[3]
		s0 += a0 * b1
		t0 += a0 * b5[0]
		s1 += a1 * b2
		t1 += a1 * b1
		s2 += a2 * b3
		t2 += a2 * b2
		s3 += a3 * b5[4]
		t3 += a3 * b3
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i+1]
		t0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3, t0 + t1 + t2 + t3
}

// prediction returns the coefficients of the best linear prediction from the last samples, nearest first, by the products of lags.
// Source: Durbin, The fitting of time-series models, Revue de l'Institut International de Statistique 28(3), 1960, doi:10.2307/1401322 (Levinson's recursion).
func prediction(products []float64) []float64 {
	a := make([]float64, 0, lags)
	variance := products[0] * (1 + noiseShare)
	if !(variance > 0) || math.IsInf(variance, 0) {
		return make([]float64, lags)
	}
	left := variance
	next := make([]float64, lags)
	for k := 1; k < len(products); k++ {
		r := products[k]
		for i, c := range a {
			r -= c * products[k-1-i]
		}
		r /= left
		for i, c := range a {
			next[i] = c - r*a[len(a)-1-i]
		}
		next[k-1] = r
		a = append(a[:0], next[:k]...)
		left *= 1 - r*r
		if !(left > 1e-9*variance) {
			break
		}
	}
	for len(a) < lags {
		a = append(a, 0)
	}
	return a
}

// surprises writes what the prediction leaves of each entry of x, which holds lags entries before the first; far bounds what the predictions are made from.
func surprises(x, coefficients, dst []float64) {
	var c [lags]float64 // nearest last
	for k, a := range coefficients[:lags] {
		c[lags-1-k] = a
	}
	i := 0
	for ; i+4 <= len(dst); i += 4 { // four at a time wait less for each other's sums
		past := (*[lags + 4]float64)(x[i : i+lags+4])
		var a0, a1, b0, b1, c0, c1, d0, d1 float64
		for k := lags - 2; k >= 0; k -= 2 {
			far, near := c[k], c[k+1]
			a0 += near * past[k+1]
			a1 += far * past[k]
			b0 += near * past[k+2]
			b1 += far * past[k+1]
			c0 += near * past[k+3]
			c1 += far * past[k+2]
			d0 += near * past[k+4]
			d1 += far * past[k+3]
		}
		out := dst[i : i+4 : i+4]
		out[0], out[1], out[2], out[3] = past[lags]-a0-a1, past[lags+1]-b0-b1, past[lags+2]-c0-c1, past[lags+3]-d0-d1
	}
	for ; i < len(dst); i++ {
		past := x[i : i+lags] // oldest first
		var p0, p1 float64
		for k := lags - 2; k >= 0; k -= 2 {
			p0 += c[k+1] * past[k+1]
			p1 += c[k] * past[k]
		}
		dst[i] = x[i+lags] - p0 - p1
	}
}

// usualSize returns the median and the 95 % quantile of finite numbers, which it reorders.
func usualSize(raw []float64) (middle, high float64) {
	k := len(raw) / 2
	middle = robust.Select(raw, k) // what is after it is not below it
	return middle, robust.Select(raw[k:], len(raw)*95/100-k)
}

// weighted is a part with its usual size.
type weighted struct {
	kind partKind
	// middle is its median, per makes 1 of what its 95 % quantile leaves of that.
	middle, per float64
}

const (
	// credible is how many usual sizes a part may count for in proportion, and beyondCredible what the logarithm beyond adds: one part that is a thousand times beyond its
	// usual size is not a thousand votes, but still more than one that is a hundred times.
	credible, beyondCredible = 4, 0.3
)

// of returns what the part says at raw score x: nothing up to its median, in usual sizes above it.
func (p weighted) of(x float64) float64 {
	d := (x - p.middle) * p.per
	if d > credible {
		return incredible(d)
	}
	if d > 0 {
		return d
	}
	return 0
}

// incredible is a function of its own so that the ordinary case needs no call.
func incredible(d float64) float64 { return credible + beyondCredible*math.Log(d/credible) }

// add adds what the part says of each sample, raised.
func (p weighted) add(part, dst []float64) {
	for i, x := range part {
		d := (x - p.middle) * p.per
		if d > credible {
			d = incredible(d)
		} else if d = max(d, 0); d != d {
			continue // nothing can be said of infinities
		}
		dst[i] += raised(d)
	}
}

// partPower is that of the mean of the parts. The higher, the more one part counts that stands out alone: NAB, and most its onsets, want 3, WSD wants 2, at which what a long
// part remembers keeps an episode open for less time.
const partPower = 2.5

// raised returns the power of a number that is not negative.
func raised(d float64) float64 { return d * d * math.Sqrt(d) }

// together returns the power mean of what parts said, from the sum of their powers, in usual distances.
func together(sum float64, parts int) float64 {
	return usualPart * math.Exp(math.Log(sum/float64(parts))/partPower) // faster than math.Pow
}

// barOf returns the sum from which together says raw.
func barOf(raw float64, parts int) float64 {
	return float64(parts) * raised(raw/usualPart)
}

package evaluate

import (
	"math"

	"github.com/foreshock/foreshock/pkg/robust"
)

// height returns how far a stretch is to be moved: so many deviations, or for the infinite size out of everything that was ever seen. ok is false where that cannot be,
// because there is nothing below zero, or is not worth an alarm to the policy: one deviation of noise may take from it.
func (b *bench) height(values []float64, i, n int, size, sign float64) (by float64, ok bool) {
	stretch := values[b.offset+i : b.offset+i+n]
	middle := robust.Median(stretch, nil)
	deviation := b.usual.at(b.grid.At(i + n/2))
	by = size * deviation
	if math.IsInf(size, 1) {
		spread := b.high - b.low
		switch {
		case sign > 0:
			by = b.high - middle + spread
		case !b.floored:
			by = middle - b.low + spread
		case b.falls:
			return 0, false
		default: // an outage: everything falls to nothing
			by = middle
		}
	} else if sign < 0 && b.floored {
		for _, x := range stretch {
			if x < by {
				return 0, false
			}
		}
	}
	least := by - deviation
	if math.IsInf(size, 1) {
		least = by
	}
	p := b.Judge.Policy
	for k := range n {
		if e := b.clean.Expected[i+k]; least < p.MinAbs || least < p.MinRel*math.Abs(e) {
			return 0, false
		}
	}
	return by, by > 0
}

// step moves a stretch as a whole.
func (b *bench) step(sign float64) func([]float64, int, int, float64) int {
	return func(values []float64, i, n int, size float64) int {
		by, ok := b.height(values, i, n, size, sign)
		if !ok {
			return 0
		}
		for k := b.offset + i; k < b.offset+i+n; k++ {
			if values[k] += sign * by; b.floored && sign < 0 {
				values[k] = max(values[k], 0)
			}
		}
		return n
	}
}

// ramp moves a stretch little by little.
func (b *bench) ramp(sign float64) func([]float64, int, int, float64) int {
	return func(values []float64, i, n int, size float64) int {
		by, ok := b.height(values, i, n, size, sign)
		if !ok {
			return 0
		}
		for k := range n {
			x := &values[b.offset+i+k]
			if *x += sign * by * float64(k+1) / float64(n); b.floored && sign < 0 {
				*x = max(*x, 0)
			}
		}
		return n
	}
}

// either goes up and down in turn, as far as the policy wants it.
func (b *bench) either(up, down func([]float64, int, int, float64) int) func([]float64, int, int, float64) int {
	turn := 0
	return func(values []float64, i, n int, size float64) int {
		turn++
		if b.Judge.Policy.Direction != "up" && (b.Judge.Policy.Direction == "down" || turn%2 == 0) {
			if m := down(values, i, n, size); m > 0 || b.Judge.Policy.Direction == "down" {
				return m
			}
		}
		return up(values, i, n, size)
	}
}

// late puts in what came so many hours earlier: all values are usual, at another time. Only where that is another shape at all.
func (b *bench) late(values []float64, i, n int, hours float64) int {
	back := int(hours * float64(hour) / float64(b.grid.Step))
	from := b.offset + i
	if back < 1 || from-back < 0 {
		return 0
	}
	original := b.c.Series.Values
	differ := make([]float64, n)
	for k := range n {
		x, y := original[from+k], original[from+k-back]
		if !(y-y == 0) {
			return 0
		}
		differ[k] = math.Abs(x - y)
	}
	middle := robust.MedianInPlace(differ)
	if p := b.Judge.Policy; middle < 3*b.usual.at(b.grid.At(i+n/2)) || middle < p.MinAbs || middle < p.MinRel*math.Abs(b.clean.Expected[i]) || p.Direction != "both" {
		return 0
	}
	copy(values[from:from+n], original[from-back:from-back+n])
	return n
}

// hold keeps the value before the stretch.
func (b *bench) hold(values []float64, i, n int, _ float64) int {
	from := b.offset + i
	if from < 1 {
		return 0
	}
	x := b.c.Series.Values[from-1]
	if !(x-x == 0) {
		return 0
	}
	for k := range n {
		values[from+k] = x
	}
	return n
}

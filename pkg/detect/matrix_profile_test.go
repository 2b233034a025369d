package detect

import (
	"math"
	"testing"

	"github.com/foreshock/foreshock/pkg/series"
)

// shapeOf returns a window without its mean, by definition: brought to deviation 1 where each is, a flat one to nothing.
func shapeOfWindow(x []float64, each bool) []float64 {
	mean, squares := 0.0, 0.0
	for _, v := range x {
		mean += v / float64(len(x))
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v - mean
		squares += out[i] * out[i]
	}
	if dev := math.Sqrt(squares / float64(len(x))); each {
		for i := range out {
			if out[i] /= dev; dev < 1e-9 {
				out[i] = 0
			}
		}
	}
	return out
}

// bruteProfile compares every window with every allowed other.
func bruteProfile(x []float64, w int, each bool, allowed func(i, j int) bool) []float64 {
	n := len(x) - w + 1
	shapes := make([][]float64, n)
	for i := range shapes {
		shapes[i] = shapeOfWindow(x[i:i+w], each)
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Inf(1)
		for j := range shapes {
			if !allowed(i, j) {
				continue
			}
			squared := 0.0
			for k := range w {
				squared += (shapes[i][k] - shapes[j][k]) * (shapes[i][k] - shapes[j][k]) / float64(w)
			}
			out[i] = min(out[i], squared)
		}
	}
	return out
}

// The recurrence gives what a comparison of every window with every other gives, by both scales, with flat stretches and an enormous value.
func TestProfileBesideBruteForce(t *testing.T) {
	t.Parallel()
	const w = 20
	x := peerWave(700)
	for i := 300; i < 340; i++ {
		x[i] = 12
	}
	x[500] = shapeFarthest
	for _, each := range []bool{false, true} {
		p := (&discords{w: w, each: each}).profile(x)
		all := p.unmatched()
		p.nearest(p, 0, len(p.mean), 0, all)
		near(t, "two-sided", all, bruteProfile(x, w, each, func(i, j int) bool { return max(i-j, j-i) >= w }), 1e-6)

		pairs := p.unmatched()
		p.pairs(pairs)
		near(t, "in pairs", pairs, all, 1e-6)

		left := p.unmatched()
		p.earlier(50, 1<<20, left)
		brute := bruteProfile(x, w, each, func(i, j int) bool { return j >= 50 && j <= i-w })
		near(t, "left", left[50+w:], brute[50+w:], 1e-6)

		// Windows 300 to 399 against windows 100 to 249 of the same samples, which lie elsewhere.
		part := (&discords{w: w, each: each}).profile(x[300 : 400+w-1])
		got := part.unmatched()
		part.nearest(p, 100, 250, -300, got)
		brute = bruteProfile(x, w, each, func(_, j int) bool { return j >= 100 && j < 250 })
		near(t, "elsewhere", got, brute[300:400], 1e-6)
	}
}

// What came once before is known, what is new is told, and so is a shape that only ever comes together with itself.
func TestMatrixProfileFindsTheDiscord(t *testing.T) {
	t.Parallel()
	x := peerWave(3000)
	for i := 2400; i < 2450; i++ { // one wave upside down: the largest discord, all its values usual
		x[i] = 20 - x[i]
	}
	d, _ := Detectors.New("matrix_profile", nil)
	got, err := d.(Reviewer).Review(series.Series{Grid: series.Grid{Step: 7, N: 3000}, Values: x}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ordinary, upside := 0.0, 0.0
	for i, s := range got {
		switch {
		case i >= 2400 && i < 2450:
			upside = max(upside, s)
		case i < 600 || i >= 2600:
			ordinary = max(ordinary, s)
		}
	}
	if !(upside > 2*ordinary) {
		t.Errorf("a wave upside down scores %v, an ordinary one up to %v", upside, ordinary)
	}
}

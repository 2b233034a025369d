package detect

import (
	"math"
	"slices"

	"github.com/foreshock/foreshock/pkg/robust"
)

const (
	// cyclesAside is how many cycles before and behind say what is usual at a phase.
	cyclesAside = 3
	// cycleParts is the share of a cycle over which the usual value is smoothed.
	cycleParts = 100
	// leastCyclesSeen is how many cycles the series must hold.
	leastCyclesSeen = 4
	// briefly is over how many samples what is left is averaged: a single deviant sample is noise more often than not.
	briefly = 5
)

// offCycle returns for each sample how far it and its neighbours lie from what is usual at that phase of a cycle of p samples: the median of that phase over the cycles around,
// smoothed along the phase. The usual value moves with the level, so that a trend is no anomaly. Nil where there are too few cycles.
func offCycle(x []float64, p int) []float64 {
	if p < leastLagSeen || len(x) < leastCyclesSeen*p {
		return nil
	}
	out := runningMean(leftOfCycle(x, p), briefly/2)
	for i := range out {
		out[i] = math.Abs(out[i])
	}
	return out
}

// leftOfCycle returns the values less what is usual at their phase.
func leftOfCycle(x []float64, p int) []float64 {
	n := len(x)
	cycles := (n + p - 1) / p
	usual := make([]float64, n)
	scratch := make([]float64, 0, 2*cyclesAside+1)
	for i := range usual {
		from := max(0, min(i/p-cyclesAside, cycles-2*cyclesAside-1))
		scratch = scratch[:0]
		for c := from; c < min(from+2*cyclesAside+1, cycles); c++ {
			if k := c*p + i%p; k < n {
				scratch = append(scratch, x[k])
			}
		}
		usual[i] = robust.MedianInPlace(scratch)
	}
	usual = runningMedian(usual, p/(2*cycleParts))
	for i := range usual {
		usual[i] = x[i] - usual[i]
	}
	return usual
}

// runningMean returns the mean of each value and up to aside values on either side.
func runningMean(x []float64, aside int) []float64 {
	out := make([]float64, len(x))
	for i := range out {
		part := x[max(0, i-aside):min(len(x), i+aside+1)]
		for _, v := range part {
			out[i] += v / float64(len(part))
		}
	}
	return out
}

// runningMedian returns the median of each value and up to aside values on either side.
func runningMedian(x []float64, aside int) []float64 {
	out := make([]float64, len(x))
	window := make([]float64, 0, 2*aside+2)
	for i := -aside; i < len(x); i++ {
		if k := i + aside; k < len(x) {
			at, _ := slices.BinarySearch(window, x[k])
			window = slices.Insert(window, at, x[k])
		}
		if k := i - aside - 1; k >= 0 {
			at, _ := slices.BinarySearch(window, x[k])
			window = slices.Delete(window, at, at+1)
		}
		if i >= 0 {
			h := len(window)
			out[i] = (window[(h-1)/2] + window[h/2]) / 2
		}
	}
	return out
}

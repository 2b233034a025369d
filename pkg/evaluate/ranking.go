package evaluate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// ranking is one score per sample with its labels, sorted once for all measures.
type ranking struct {
	score  []float64
	label  []bool
	order  []int32 // indices, highest score first
	events []Range
	// positive is how many samples are labelled.
	positive int
}

// Range is a run of samples, both ends inclusive.
type Range struct{ First, Last int }

// Ranges returns the runs of true.
func Ranges(label []bool) []Range {
	var out []Range
	for i := 0; i < len(label); i++ {
		if !label[i] {
			continue
		}
		first := i
		for i+1 < len(label) && label[i+1] {
			i++
		}
		out = append(out, Range{first, i})
	}
	return out
}

// rank sorts the samples. NaN counts as 0 and infinities as the largest numbers, as the reference scorer has it.
func rank(score []float64, label []bool) ranking {
	if len(score) != len(label) {
		panic(fmt.Sprintf("evaluate: %d scores for %d labels", len(score), len(label)))
	}
	r := ranking{score: make([]float64, len(score)), label: label, order: make([]int32, len(score)), events: Ranges(label)}
	for i, s := range score {
		switch {
		case s != s:
			s = 0
		case math.IsInf(s, 0):
			s = math.Copysign(math.MaxFloat64, s)
		}
		r.score[i], r.order[i] = s, int32(i)
		if label[i] {
			r.positive++
		}
	}
	slices.SortFunc(r.order, func(a, b int32) int { return cmp.Compare(r.score[b], r.score[a]) })
	return r
}

// thresholds calls f for every distinct score, highest first, with how many samples reach it and how many of these are labelled.
func (r ranking) thresholds(f func(reached, hit int)) {
	hit := 0
	for k, i := range r.order {
		if r.label[i] {
			hit++
		}
		if k+1 == len(r.order) || r.score[r.order[k+1]] != r.score[i] {
			f(k+1, hit)
		}
	}
}

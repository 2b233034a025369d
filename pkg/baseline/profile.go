package baseline

import (
	"slices"

	"github.com/foreshock/foreshock/pkg/robust"
)

// profile learns the median of each phase bucket: of all samples, and what is held against each fold. A fold is judged by the folds before it, as it would have
// been at the time, since levels drift; the first two, which have too little before them, by all others.
type profile struct {
	buckets, folds int
	// first is the first fold that has samples.
	first int
	// median of each bucket; NaN where it has no samples before fill.
	median []float64
	// held[f*buckets+b] is the median of bucket b that fold f is judged by.
	held []float64
}

// newProfile takes one value per sample, its bucket and its fold; NaN values are left out. Folds do not fall from one sample to the next. Linear in memory,
// n·folds in time with a small constant.
func newProfile(values []float64, bucket []int32, fold []uint16, buckets, folds int) *profile {
	p := &profile{buckets: buckets, folds: folds, median: make([]float64, buckets), held: make([]float64, buckets*folds)}
	by := sorting(values, bucket, buckets)
	count := make([]int, buckets*folds)
	for i, x := range values {
		if x == x {
			count[int(bucket[i])*folds+int(fold[i])]++
		}
	}
	if i := slices.IndexFunc(values, func(x float64) bool { return x == x }); i >= 0 {
		p.first = int(fold[i])
	}
	var m merger
	for b := range buckets {
		p.bucket(b, by.of(b), count[b*folds:(b+1)*folds], &m)
	}
	fill(p.median)
	for f := range folds {
		part := p.held[f*buckets : (f+1)*buckets]
		fill(part)
		if part[0] != part[0] { // the fold is all there is
			copy(part, p.median)
		}
	}
	return p
}

// bucket learns one bucket from its values, which lie fold by fold, so many of each.
func (p *profile) bucket(b int, xs []float64, count []int, m *merger) {
	m.merged = m.merged[:0]
	at := 0
	for f, n := range count {
		run := xs[at : at+n]
		if f < p.first+2 {
			m.rest = append(append(m.rest[:0], xs[:at]...), xs[at+n:]...)
			p.held[f*p.buckets+b] = robust.MedianInPlace(m.rest)
		} else {
			p.held[f*p.buckets+b] = middle(m.merged)
		}
		m.add(run)
		at += n
	}
	p.median[b] = middle(m.merged)
}

// merger grows a sorted run by others.
type merger struct{ merged, spare, rest []float64 }

// add sorts xs, in place, into the merged run.
func (m *merger) add(xs []float64) {
	slices.Sort(xs)
	out := m.spare[:0]
	i := 0
	for _, x := range xs {
		for i < len(m.merged) && m.merged[i] <= x {
			out = append(out, m.merged[i])
			i++
		}
		out = append(out, x)
	}
	out = append(out, m.merged[i:]...)
	m.merged, m.spare = out, m.merged
}

// middle returns the median of sorted values; NaN for none.
func middle(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return nan
	}
	lo, hi := sorted[(n-1)/2], sorted[n/2]
	return lo + (hi-lo)/2
}

// binned holds values by bucket, in their order within each.
type binned struct {
	values []float64
	start  []int32
}

// sorting puts the values that are not NaN into their buckets.
func sorting(values []float64, bucket []int32, n int) binned {
	b := binned{start: make([]int32, n+1)}
	for i, x := range values {
		if x == x {
			b.start[bucket[i]+1]++
		}
	}
	for k := range n {
		b.start[k+1] += b.start[k]
	}
	b.values = make([]float64, b.start[n])
	next := slices.Clone(b.start[:n])
	for i, x := range values {
		if x == x {
			k := bucket[i]
			b.values[next[k]] = x
			next[k]++
		}
	}
	return b
}

// of returns the values of bucket k.
func (b binned) of(k int) []float64 { return b.values[b.start[k]:b.start[k+1]] }

// fill puts values into empty entries of a circular profile by straight lines between their neighbours; all stay NaN when all are.
func fill(p []float64) {
	first := slices.IndexFunc(p, func(x float64) bool { return x == x })
	if first < 0 {
		return
	}
	n := len(p)
	for done := 0; done < n; {
		// p[(first+done)%n] is present: find the next present one.
		gap := 1
		for {
			x := p[(first+done+gap)%n]
			if x == x {
				break
			}
			gap++
		}
		a, b := p[(first+done)%n], p[(first+done+gap)%n]
		for k := 1; k < gap; k++ {
			p[(first+done+k)%n] = a + (b-a)*float64(k)/float64(gap)
		}
		done += gap
	}
}

// at returns the profile at position x (in buckets; the middle of bucket b is b+½), on straight lines between the middles: no steps at bucket edges.
func at(p []float64, x float64) float64 {
	n := len(p)
	x -= 0.5
	if x < 0 {
		x += float64(n)
	}
	if x >= float64(n) { // a hair below 0 plus n is n
		x = 0
	}
	i := int(x)
	j := i + 1
	if j >= n {
		j -= n
	}
	return p[i] + (p[j]-p[i])*(x-float64(i))
}

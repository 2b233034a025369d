package baseline

import (
	"slices"
)

// profile learns the median of each phase bucket: of all samples, and what is held against each fold. A fold is judged by the folds before it, as it would have
// been at the time, since levels drift; the first two, which have too little before them, by all others.
type profile struct {
	buckets, folds int
	// median of each bucket; NaN where it has no samples before fill.
	median []float64
	// held[f*buckets+b] is the median of bucket b that fold f is judged by.
	held []float64
}

// tagged is a value and the fold it belongs to.
type tagged struct {
	x    float64
	fold uint16
}

// newProfile takes one value per sample, its bucket and its fold; NaN values are left out. Linear in memory, n·log(n/buckets) + n·folds in time.
func newProfile(values []float64, bucket []int32, fold []uint16, buckets, folds int) *profile {
	p := &profile{buckets: buckets, folds: folds, median: make([]float64, buckets), held: make([]float64, buckets*folds)}
	start := make([]int32, buckets+1)
	for i, x := range values {
		if x == x {
			start[bucket[i]+1]++
		}
	}
	for b := range buckets {
		start[b+1] += start[b]
	}
	sorted := make([]tagged, start[buckets])
	next := slices.Clone(start[:buckets])
	for i, x := range values {
		if x == x {
			b := bucket[i]
			sorted[next[b]] = tagged{x, fold[i]}
			next[b]++
		}
	}
	count := make([]int, folds)
	for b := range buckets {
		p.bucket(b, sorted[start[b]:start[b+1]], count)
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

func (p *profile) bucket(b int, xs []tagged, count []int) {
	slices.SortFunc(xs, func(a, c tagged) int {
		switch {
		case a.x < c.x:
			return -1
		case a.x > c.x:
			return 1
		}
		return 0
	})
	clear(count)
	for _, t := range xs {
		count[t.fold]++
	}
	p.median[b] = medianOf(xs, len(xs), func(uint16) bool { return true })
	before := 0
	for f := range p.folds {
		if f < 2 {
			p.held[f*p.buckets+b] = medianOf(xs, len(xs)-count[f], func(fold uint16) bool { return int(fold) != f })
		} else {
			p.held[f*p.buckets+b] = medianOf(xs, before, func(fold uint16) bool { return int(fold) < f })
		}
		before += count[f]
	}
}

// medianOf returns the median of those sorted values whose fold is wanted; there are n of them. NaN for none.
func medianOf(xs []tagged, n int, wanted func(fold uint16) bool) float64 {
	lo, hi := (n-1)/2, n/2
	seen, first := 0, nan
	for _, t := range xs {
		if n == 0 || !wanted(t.fold) {
			continue
		}
		if seen == lo {
			first = t.x
		}
		if seen == hi {
			return first + (t.x-first)/2
		}
		seen++
	}
	return first
}

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

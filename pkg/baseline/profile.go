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
	var rest []float64
	for b := range buckets {
		rest = p.bucket(b, by.of(b), count[b*folds:(b+1)*folds], rest)
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

// bucket learns one bucket from its values, which lie fold by fold, so many of each; it reorders them. rest is room that it returns.
func (p *profile) bucket(b int, xs []float64, count []int, rest []float64) []float64 {
	at := 0
	for f, n := range count {
		if f < p.first+2 {
			rest = append(append(rest[:0], xs[:at]...), xs[at+n:]...)
			p.held[f*p.buckets+b] = robust.MedianInPlace(rest)
		} else {
			p.held[f*p.buckets+b] = robust.MedianInPlace(xs[:at]) // in what order those before it lie is all the same from here on
		}
		at += n
	}
	p.median[b] = robust.MedianInPlace(xs)
	return rest
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

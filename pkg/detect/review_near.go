package detect

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// likeness tells what of two windows is compared.
type likeness int

const (
	// asIs compares the values.
	asIs likeness = iota
	// centred compares the values less their mean: the level does not matter.
	centred
	// shaped compares the values less their mean over their deviation: neither level nor size matters.
	shaped
)

const (
	// references is how many windows, spread over the whole series, each window is compared with.
	references = 1000
	// mostCompared bounds how many windows are compared in a long series: neighbours share nearly all of their samples.
	mostCompared = 12_000
	// places bounds how many numbers stand for a window: longer ones are taken as means of equal parts.
	places = 48
	// leastDeviation is the smallest deviation a window is divided by, as a share of the usual one: what hardly varies has no shape.
	leastDeviation = 0.1
	// tile is how many windows, and strip how many references, are multiplied at once: both and the products stay in the first cache.
	tile, strip = 64, 192
)

// nearest returns for each sample the mean, over the windows of w samples that cover it, of the root mean squared distance to the most similar of the reference windows
// that share no sample with it: what never came a second time lies far from all. Nil where the series is shorter than four windows.
// Source: the discord of Keogh, Lin and Fu, HOT SAX, ICDM 2005, doi:10.1109/ICDM.2005.79, with a sample of the windows in place of all.
func nearest(x []float64, w int, by likeness, rng *rand.Rand) []float64 {
	m := len(x) - w + 1
	if w < 2 || m < 3*w {
		return nil
	}
	c := newComparison(x, w, by)
	refs := drawEvenly(m, references, rng)
	if by == shaped {
		c.findLeast(refs)
	}
	k := c.places
	ref := make([]float32, len(refs)*k)
	half := make([]float32, len(refs))
	for j, r := range refs {
		half[j] = c.load(r, ref[j*k:(j+1)*k]) / 2
	}
	stride := max(1, min(w/6, (m+mostCompared-1)/mostCompared))
	out := make([]float64, (m+stride-1)/stride)
	var (
		own      = make([]float32, tile*k)
		size     [tile]float32
		products = make([]float32, tile*len(refs))
		blas32   gonum.Implementation
	)
	for first := 0; first < len(out); first += tile {
		n := min(tile, len(out)-first)
		for a := range n {
			size[a] = c.load((first+a)*stride, own[a*k:(a+1)*k])
		}
		for j := 0; j < len(refs); j += strip {
			blas32.Sgemm(blas.NoTrans, blas.Trans, n, min(strip, len(refs)-j), k, 1, own, k, ref[j*k:], k, 0, products[j:], len(refs))
		}
		for a := range n {
			i := (first + a) * stride
			from, _ := slices.BinarySearch(refs, i-w+1)
			to, _ := slices.BinarySearch(refs, i+w)
			row := products[a*len(refs) : (a+1)*len(refs)]
			closest := min(leastOf(half[:from], row[:from]), leastOf(half[to:], row[to:]))
			out[first+a] = math.Sqrt(max(0, float64(size[a])+2*float64(closest)) / float64(k))
		}
	}
	return spread(out, len(x), w, stride)
}

// leastOf returns the smallest half − product, +Inf for none.
func leastOf(half, product []float32) float32 {
	least := float32(math.Inf(1))
	product = product[:len(half)]
	for j, h := range half {
		if d := h - product[j]; d < least {
			least = d
		}
	}
	return least
}

// comparison turns windows into the numbers that are compared.
type comparison struct {
	mean   []float64 // mean of part samples from each one on
	part   int       // samples a number stands for
	places int
	by     likeness
	least  float64 // smallest deviation
}

func newComparison(x []float64, w int, by likeness) *comparison {
	c := &comparison{mean: x, part: max(1, w/places), by: by}
	c.places = w / c.part
	if c.part > 1 {
		c.mean = slidingSums(x, c.part)
		for i := range c.mean {
			c.mean[i] /= float64(c.part)
		}
	}
	return c
}

// findLeast sets the smallest deviation by that of the references.
func (c *comparison) findLeast(refs []int) {
	dev := make([]float64, len(refs))
	for j, r := range refs {
		_, dev[j] = c.moments(r)
	}
	slices.Sort(dev)
	usual := dev[len(dev)/2]
	if usual == 0 {
		for _, d := range dev {
			usual += d / float64(len(dev))
		}
	}
	c.least = max(leastDeviation*usual, 1e-9)
}

func (c *comparison) moments(i int) (mean, dev float64) {
	for p := range c.places {
		mean += c.mean[i+p*c.part]
	}
	mean /= float64(c.places)
	for p := range c.places {
		d := c.mean[i+p*c.part] - mean
		dev += d * d
	}
	return mean, math.Sqrt(dev / float64(c.places))
}

// load writes the numbers of the window that begins at i and returns the sum of their squares.
func (c *comparison) load(i int, dst []float32) float32 {
	mean, scale := 0.0, 1.0
	if c.by != asIs {
		var dev float64
		mean, dev = c.moments(i)
		if c.by == shaped {
			scale = 1 / max(dev, c.least)
		}
	}
	sum := float32(0)
	for p := range dst {
		v := float32((c.mean[i+p*c.part] - mean) * scale)
		dst[p] = v
		sum += v * v
	}
	return sum
}

// drawEvenly returns so many of 0…n−1 (all of them where there are fewer) in order, one drawn from each of equal parts.
func drawEvenly(n, most int, rng *rand.Rand) []int {
	count := min(n, most)
	out := make([]int, count)
	for k := range out {
		from, to := k*n/count, (k+1)*n/count
		out[k] = from
		if to-from > 1 {
			out[k] += rng.IntN(to - from)
		}
	}
	return out
}

// spread returns for each of n samples the mean score of the windows of w samples that cover it. Windows begin every stride samples, at most every w; those behind the
// last one have its score.
func spread(score []float64, n, w, stride int) []float64 {
	out := make([]float64, n)
	sum, covering := 0.0, 0
	first, next := 0, 0 // windows first…next−1 cover the sample
	for i := range out {
		for next < len(score) && next*stride <= i {
			sum += score[next]
			next++
			covering++
		}
		for first < next && first*stride+w <= i {
			sum -= score[first]
			first++
			covering--
		}
		if covering == 0 {
			out[i] = score[len(score)-1]
			sum = 0
			continue
		}
		out[i] = max(0, sum/float64(covering))
	}
	return out
}

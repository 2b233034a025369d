package detect

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Joints.Add(registry.Entry[Joint]{
		Name:    "kmeans",
		Summary: "Distance of the last points from the nearest of a few usual courses of all dimensions.",
		Source:  "Yairi, Kato and Hori, i-SAIRAS 2001; Schmidl, Wenig and Papenbrock, PVLDB 15(9), 2022, doi:10.14778/3538598.3538602 (KMeansAD); seeding by Arthur and Vassilvitskii, SODA 2007",
		New:     func() Joint { return &JointKMeans{Window: 10, Clusters: 20, budget: budget{Budget: 1}} },
	})
}

// JointKMeans judges windows of points by their distance from the nearest of a number of centres.
type JointKMeans struct {
	Window   int `json:"window" yaml:"window" min:"1" max:"240" unit:"samples" help:"How many points in a row are compared; 1 compares single points."`
	Clusters int `json:"clusters" yaml:"clusters" min:"1" max:"200" help:"How many usual courses there are at most."`
	budget
}

// Validate accepts all that the tags do.
func (*JointKMeans) Validate() error { return nil }

// Catches all kinds.
func (*JointKMeans) Catches() []Break { return []Break{Correlation, Together, Apart} }

// Fit learns the centres.
func (d *JointKMeans) Fit(train JointTrain) (JointModel, error) { return fitJoint(d, train, d.Budget) }

// Context returns how many points before the first judged one are looked at.
func (d *JointKMeans) Context(int64) int { return d.Window - 1 }

// Review spreads the distance of a window over its points.
func (d *JointKMeans) Review(train JointTrain, v series.Vector) ([]float64, error) {
	return reviewJoint(d, train, v, 1)
}

func (d *JointKMeans) width() int { return d.Window }

func (*JointKMeans) unmarshal(data []byte) (JointModel, error) { return readJoint(data, readCentres) }

const (
	// clusterWork bounds the multiplications of one round of clustering; with it goes how many windows are looked at.
	clusterWork = 6_000_000
	// fewestWindows and mostWindows bound them on both sides: too few do not show what is usual, more do not move the centres.
	fewestWindows, mostWindows = 300, 4000
	// clusterRounds is where clustering ends if centres still move.
	clusterRounds = 15
)

func (d *JointKMeans) learn(p points, rng *rand.Rand) (jointMeasure, error) {
	size := d.Window * p.d
	ends := windowsOf(p, d.Window)
	if len(ends) < leastPoints/3 {
		return nil, fmt.Errorf("%w: %d windows of %d points, want at least %d", ErrTooShort, len(ends), d.Window, leastPoints/3)
	}
	k := min(d.Clusters, len(ends)/2)
	ends = evenly(ends, min(max(clusterWork/(size*k), fewestWindows), mostWindows), rng)
	m := &centres{window: d.Window, size: size, at: make([]float64, k*size)}
	m.seed(p, ends, rng)
	own := make([]int, len(ends))
	for range clusterRounds {
		if !m.round(p, ends, own) {
			break
		}
	}
	return m, nil
}

// windowsOf returns the index after the last point of each window without a point that is not there.
func windowsOf(p points, w int) []int {
	var ends []int
	run := 0
	for i, out := range p.out {
		if out {
			run = 0
			continue
		}
		if run++; run >= w {
			ends = append(ends, i+1)
		}
	}
	return ends
}

// evenly returns at most n of them, evenly drawn: one from each of n stretches.
func evenly(ends []int, n int, rng *rand.Rand) []int {
	if len(ends) <= n {
		return ends
	}
	out := make([]int, n)
	for i := range out {
		from, to := i*len(ends)/n, (i+1)*len(ends)/n
		out[i] = ends[from+rng.IntN(to-from)]
	}
	return out
}

// centres are windows, one after the other, oldest point first.
type centres struct {
	window, size int
	at           []float64
}

func (m *centres) of(p points, end int) []float64 { return p.at[(end-m.window)*p.d : end*p.d] }

// seed chooses the first centres far from each other (k-means++).
func (m *centres) seed(p points, ends []int, rng *rand.Rand) {
	nearest := make([]float64, len(ends))
	copy(m.at[:m.size], m.of(p, ends[rng.IntN(len(ends))]))
	for i := range nearest {
		nearest[i] = math.Inf(1)
	}
	for c := 1; c < len(m.at)/m.size; c++ {
		total := 0.0
		last := m.at[(c-1)*m.size : c*m.size]
		for i, e := range ends {
			nearest[i] = min(nearest[i], squared(m.of(p, e), last, nearest[i]))
			total += nearest[i]
		}
		left := rng.Float64() * total
		chosen := 0
		for i, x := range nearest {
			if left -= x; left < 0 {
				chosen = i
				break
			}
		}
		copy(m.at[c*m.size:(c+1)*m.size], m.of(p, ends[chosen]))
	}
}

// squared returns the squared distance, or something above limit as soon as it is clear that it is above.
func squared(a, b []float64, limit float64) float64 {
	sum := 0.0
	for len(a) >= 8 {
		x, y := a[:8:8], b[:8:8]
		d0, d1, d2, d3 := x[0]-y[0], x[1]-y[1], x[2]-y[2], x[3]-y[3]
		d4, d5, d6, d7 := x[4]-y[4], x[5]-y[5], x[6]-y[6], x[7]-y[7]
		sum += (d0*d0 + d1*d1 + d2*d2 + d3*d3) + (d4*d4 + d5*d5 + d6*d6 + d7*d7)
		if sum > limit {
			return sum
		}
		a, b = a[8:], b[8:]
	}
	for i, x := range a {
		d := x - b[i]
		sum += d * d
	}
	return sum
}

// nearest returns the nearest centre of a window and the squared distance; guess is tried first.
func (m *centres) nearest(x []float64, guess int) (int, float64) {
	best, least := guess, squared(x, m.at[guess*m.size:(guess+1)*m.size], math.Inf(1))
	for c := range len(m.at) / m.size {
		if c == guess {
			continue
		}
		if d := squared(x, m.at[c*m.size:(c+1)*m.size], least); d < least {
			best, least = c, d
		}
	}
	return best, least
}

// round moves every centre to the mean of the windows nearest to it, and reports whether one changed its centre. A centre without windows stays.
func (m *centres) round(p points, ends, own []int) bool {
	sums := make([]float64, len(m.at))
	counts := make([]int, len(m.at)/m.size)
	changed := false
	for i, e := range ends {
		x := m.of(p, e)
		c, _ := m.nearest(x, own[i])
		changed = changed || c != own[i]
		own[i] = c
		counts[c]++
		sum := sums[c*m.size : (c+1)*m.size]
		for k, y := range x {
			sum[k] += y
		}
	}
	for c, n := range counts {
		for k := c * m.size; n > 0 && k < (c+1)*m.size; k++ {
			m.at[k] = sums[k] / float64(n)
		}
	}
	return changed
}

// walk calls f with every window, the nearest centre and the squared distance.
func (m *centres) walk(p points, f func(i int, x, centre []float64, square float64)) {
	guess := 0
	first := make([]float64, m.size)
	for i := range p.n {
		var x []float64
		if end := i + 1; end >= m.window {
			x = m.of(p, end)
		} else { // fewer points behind it than the window holds: the first stands for those before
			x = first
			for w := range m.window {
				copy(x[w*p.d:], p.row(max(0, end-m.window+w)))
			}
		}
		best, square := m.nearest(x, guess)
		guess = best
		f(i, x, m.at[best*m.size:(best+1)*m.size], square)
	}
}

func (m *centres) measure(p points, raw, parts []float64) {
	m.walk(p, func(i int, x, centre []float64, square float64) {
		raw[i] = math.Sqrt(square / float64(m.size))
		if parts == nil {
			return
		}
		part := p.partsOf(parts, nil, i)
		clear(part)
		for k, y := range x {
			d := y - centre[k]
			part[k%p.d] += d * d
		}
		scaled(part, raw[i], square)
	})
}

// measureWhite is measure for points that were made independent: the parts are those of the dimensions before that. With differences δ there and δW here the squared distance is
// the sum of δ_k (W (δW)ᵀ)_k.
func (m *centres) measureWhite(p points, raw, parts []float64, by *normal) {
	d := p.d
	m.walk(p, func(i int, x, centre []float64, square float64) {
		raw[i] = math.Sqrt(square / float64(m.size))
		part := p.partsOf(parts, nil, i)
		clear(part)
		for w := 0; w < m.size; w += d {
			for k := range d {
				before, after := 0.0, 0.0
				for a := range d {
					diff := x[w+a] - centre[w+a]
					before += diff * by.back[a*d+k]
					after += diff * by.white[k*d+a]
				}
				part[k] += before * after
			}
		}
		scaled(part, raw[i], square)
	})
}

// scaled makes parts of a square those of a raw score.
func scaled(part []float64, raw, square float64) {
	for k := range part {
		if square > 0 {
			part[k] *= raw / square
		}
	}
}

func (m *centres) write(w wire.Writer) wire.Writer { return w.Ints(int64(m.window)).Slice(m.at) }

func readCentres(r *wire.Reader, d int) jointMeasure {
	m := &centres{window: int(r.Int()), at: r.Slice()}
	if m.window < 1 || m.window > 1<<16 || len(m.at) == 0 || len(m.at)%(m.window*d) != 0 {
		r.Fail()
		return m
	}
	m.size = m.window * d
	return m
}

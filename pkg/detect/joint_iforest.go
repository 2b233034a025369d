package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Joints.Add(registry.Entry[Joint]{
		Name:    "iforest",
		Summary: "How few random cuts part a point from the others: finds rare values and rare combinations.",
		Source:  "Liu, Ting and Zhou, Isolation Forest, ICDM 2008, doi:10.1109/ICDM.2008.17",
		New:     func() Joint { return &JointForest{Trees: 100, Sample: 256, budget: budget{Budget: 1}} },
	})
}

// JointForest judges points by how few cuts of random trees part them from the others.
type JointForest struct {
	Trees  int `json:"trees" yaml:"trees" min:"10" max:"500" help:"Number of random trees."`
	Sample int `json:"sample" yaml:"sample" min:"16" max:"4096" unit:"samples" help:"How many points of the training window each tree is grown on."`
	budget
}

// Validate accepts all that the tags do.
func (*JointForest) Validate() error { return nil }

// Catches what leaves the usual range of a dimension; its cuts know one dimension at a time.
func (*JointForest) Catches() []Break { return []Break{Together, Apart} }

// Fit grows the trees.
func (d *JointForest) Fit(train JointTrain) (JointModel, error) { return fitJoint(d, train, d.Budget) }

// Review spreads the scores over the points around.
func (d *JointForest) Review(train JointTrain, v series.Vector) ([]float64, error) {
	return reviewJoint(d, train, v, reviewSpread)
}

func (*JointForest) width() int { return 1 }

func (*JointForest) unmarshal(data []byte) (JointModel, error) { return readJoint(data, readGrove) }

func (d *JointForest) learn(p points, rng *rand.Rand) (jointMeasure, error) {
	at := windowsOf(p, 1)
	if len(at) < leastPoints/3 {
		return nil, fmt.Errorf("%w: %d points, want at least %d", ErrTooShort, len(at), leastPoints/3)
	}
	n := min(d.Sample, len(at))
	m := &grove{usual: depthOf(float64(n)), d: p.d}
	m.limits(p, at)
	deepest := int(math.Ceil(math.Log2(float64(n))))
	sample := make([]int32, n)
	for range d.Trees {
		for i := range sample { // without replacement: the first n of a shuffle that goes no further
			k := i + rng.IntN(len(at)-i)
			at[i], at[k] = at[k], at[i]
			sample[i] = int32(at[i] - 1)
		}
		m.roots = append(m.roots, int64(len(m.nodes)))
		m.grow(p, sample, deepest, rng)
	}
	return m, nil
}

// fork is a cut, or a leaf (dim < 0), whose at is the depth that the points in it would still have.
type fork struct {
	dim         int32
	left, right int32
	at          float64
	// bits is how much the way from the parent to here narrowed the points down.
	bits float64
}

// grove is a number of trees in one slice of nodes.
type grove struct {
	d     int
	usual float64
	// lower and upper are what all but one in a thousand of the points lie between, per dimension.
	lower, upper []float64
	roots        []int64
	nodes        []fork
}

// limits learns the usual range of each dimension.
func (m *grove) limits(p points, ends []int) {
	x := make([]float64, len(ends))
	for k := range p.d {
		for i, e := range ends {
			x[i] = p.row(e - 1)[k]
		}
		slices.Sort(x)
		m.lower, m.upper = append(m.lower, x[len(x)/1000]), append(m.upper, x[len(x)-1-len(x)/1000])
	}
}

// depthOf is the mean depth of a search that fails in a binary tree of n points.
func depthOf(n float64) float64 {
	if n <= 1 {
		return 0
	}
	if n == 2 {
		return 1
	}
	return 2*(math.Log(n-1)+0.5772156649015329) - 2*(n-1)/n
}

// grow appends the tree of these points, which it reorders, and returns its root.
func (m *grove) grow(p points, sample []int32, depth int, rng *rand.Rand) int32 {
	self := int32(len(m.nodes))
	m.nodes = append(m.nodes, fork{dim: -1, at: depthOf(float64(len(sample)))})
	if depth == 0 || len(sample) <= 1 {
		return self
	}
	// Among the dimensions that still vary here: a cut of one that does not parts nothing, and a forest of such cuts says the same of every point.
	dim, lo, hi, varying := int32(-1), 0.0, 0.0, 0
	for k := range m.d {
		a, b := math.Inf(1), math.Inf(-1)
		for _, i := range sample {
			x := p.at[int(i)*m.d+k]
			a, b = min(a, x), max(b, x)
		}
		if b > a {
			if varying++; rng.IntN(varying) == 0 {
				dim, lo, hi = int32(k), a, b
			}
		}
	}
	if dim < 0 {
		return self
	}
	cut := lo + rng.Float64()*(hi-lo)
	if !(cut > lo) {
		cut = math.Nextafter(lo, hi)
	}
	j := 0
	for i, s := range sample {
		if p.at[int(s)*m.d+int(dim)] < cut {
			sample[i], sample[j] = sample[j], sample[i]
			j++
		}
	}
	n := float64(len(sample))
	left := m.grow(p, sample[:j], depth-1, rng)
	right := m.grow(p, sample[j:], depth-1, rng)
	m.nodes[left].bits = math.Log2(n / float64(j))
	m.nodes[right].bits = math.Log2(n / (n - float64(j)))
	m.nodes[self].dim, m.nodes[self].at, m.nodes[self].left, m.nodes[self].right = dim, cut, left, right
	return self
}

// measure scores a point by how many times shorter its way is than usual: the same order as that of 2^(−depth/usual), without an upper end that all outliers share. A
// dimension has in it what its cuts narrowed the points down, in bits, beyond the one that a cut in the middle would. All cuts lie among the training points: to the trees
// whatever lies beyond is alike, so what a dimension goes beyond its range is added, in widths of that.
func (m *grove) measure(p points, raw, parts []float64) {
	room := make([]float64, p.d)
	for i := range p.n {
		x, part := p.row(i), p.partsOf(parts, room, i)
		clear(part)
		depth, bits := 0.0, 0.0
		for _, root := range m.roots {
			n := &m.nodes[root]
			for n.dim >= 0 {
				k := n.dim
				if x[k] < n.at {
					n = &m.nodes[n.left]
				} else {
					n = &m.nodes[n.right]
				}
				depth++
				if b := n.bits - 1; b > 0 {
					part[k] += b
					bits += b
				}
			}
			depth += n.at
		}
		raw[i] = m.usual * float64(len(m.roots)) / max(depth, 1)
		for k := range part {
			if bits > 0 {
				part[k] *= raw[i] / bits
			} else {
				part[k] = raw[i] / float64(p.d)
			}
		}
		alone := raw[i]
		for k, y := range x {
			if over := max(m.lower[k]-y, y-m.upper[k]); over > 0 {
				over *= alone / max(m.upper[k]-m.lower[k], frameRidge)
				part[k] += over
				raw[i] += over
			}
		}
	}
}

func (m *grove) write(w wire.Writer) wire.Writer {
	roots := make([]float64, len(m.roots))
	for i, r := range m.roots {
		roots[i] = float64(r)
	}
	nodes := make([]float64, 0, 5*len(m.nodes))
	for _, n := range m.nodes {
		nodes = append(nodes, float64(n.dim), float64(n.left), float64(n.right), n.at, n.bits)
	}
	return w.Floats(m.usual).Slice(m.lower).Slice(m.upper).Slice(roots).Slice(nodes)
}

func readGrove(r *wire.Reader, d int) jointMeasure {
	m := &grove{d: d, usual: r.Float(), lower: r.Slice(), upper: r.Slice()}
	roots, nodes := r.Slice(), r.Slice()
	count := len(nodes) / 5
	if len(roots) == 0 || len(nodes)%5 != 0 || len(m.lower) != d || len(m.upper) != d {
		r.Fail()
	}
	for _, at := range roots {
		if !(at >= 0 && at < float64(count)) {
			r.Fail()
			return m
		}
		m.roots = append(m.roots, int64(at))
	}
	for i := range count {
		x := nodes[5*i : 5*i+5]
		// Children come after their parent: every way ends.
		inner := x[0] >= 0 && x[0] < float64(d) && x[1] > float64(i) && x[1] < float64(count) && x[2] > float64(i) && x[2] < float64(count)
		if x[0] != -1 && !inner {
			r.Fail()
			return m
		}
		m.nodes = append(m.nodes, fork{dim: int32(x[0]), left: int32(x[1]), right: int32(x[2]), at: x[3], bits: x[4]})
	}
	return m
}

package detect

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/foreshock/foreshock/pkg/wire"
)

// forest isolates vectors by random cuts: what few cuts part from all others is abnormal.
// A vector that lies outside of all that was seen ends in the leaf of the outermost known one, however far out it is. There each cut is taken to part it with the
// probability that it would have had if the tree had known it.
// Sources: Liu, Ting and Zhou, Isolation-Based Anomaly Detection, TKDD 6(1), 2012, doi:10.1145/2133360.2133363; for what lies outside, the cuts of Guha, Mishra, Roy
// and Schrijvers, Robust Random Cut Forest Based Anomaly Detection on Streams, ICML 2016.
type forest struct {
	d     int
	depth int     // no leaf lies deeper
	usual float64 // the expected path length in a tree of random cuts
	nodes []node
	// span is the range that a node's cut was drawn from.
	span []float32
	// low and high are the range of all rows that trees were grown from, per feature.
	low, high []float32
	// path holds the path length of leaves: their depth, and what further cuts would add.
	path  []float32
	roots []int32
}

// node sends a vector with x[feature] < at to the node left, another to the next one. A leaf sends every vector to itself, so that all walks have the same length.
// left counts from the root of the tree.
type node struct {
	at            float32
	feature, left uint16
}

// expectedPath is the mean depth of a leaf in a binary search tree of n values: c(n) in section 3.2 of the source.
func expectedPath(n int) float64 {
	switch {
	case n <= 1:
		return 0
	case n == 2:
		return 1
	}
	const euler = 0.57721566490153286060651209008240243
	m := float64(n)
	return 2*(math.Log(m-1)+euler) - 2*(m-1)/m
}

// grow makes trees from the rows of d numbers, each from a sample of them drawn without replacement.
func grow(rows []float32, d, trees, sample int, rng *rand.Rand) *forest {
	n := len(rows) / d
	sample = min(sample, n)
	f := &forest{d: d, depth: bits.Len(uint(max(sample, 2) - 1)), usual: expectedPath(sample)}
	g := grower{forest: f, rows: rows, rng: rng, order: make([]int32, d)}
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	for k := range g.order {
		g.order[k] = int32(k)
	}
	f.low, f.high = bounds(rows, d)
	for range trees {
		for i := range sample {
			k := i + rng.IntN(n-i)
			all[i], all[k] = all[k], all[i]
		}
		root := int32(len(f.nodes))
		f.roots = append(f.roots, root)
		f.nodes, f.path = append(f.nodes, node{}), append(f.path, 0)
		f.span = append(f.span, 0)
		g.root = root
		g.split(root, all[:sample], 0)
	}
	return f
}

// grower grows one tree at a time.
type grower struct {
	*forest
	rows  []float32
	rng   *rand.Rand
	root  int32
	order []int32 // the features, in the order in which they were last tried
}

// split makes node at part the members at random, until they are alone, equal, or at the greatest depth.
func (g *grower) split(at int32, members []int32, depth int) {
	feature, low, high := -1, float32(0), float32(0)
	if len(members) > 1 && depth < g.depth {
		feature, low, high = g.pick(members)
	}
	if feature < 0 {
		g.nodes[at] = node{at: float32(math.Inf(1)), left: uint16(at - g.root)}
		g.path[at] = float32(float64(depth) + expectedPath(len(members)))
		return
	}
	cut := low + float32(g.rng.Float64())*(high-low)
	if !(cut > low && cut <= high) {
		cut = high
	}
	less := 0
	for i, m := range members {
		if g.rows[int(m)*g.d+feature] < cut {
			members[i], members[less] = members[less], m
			less++
		}
	}
	left := int32(len(g.nodes))
	g.nodes[at] = node{at: cut, feature: uint16(feature), left: uint16(left - g.root)}
	g.nodes, g.path = append(g.nodes, node{}, node{}), append(g.path, 0, 0)
	g.span[at] = high - low
	g.span = append(g.span, 0, 0)
	g.split(left, members[:less], depth+1)
	g.split(left+1, members[less:], depth+1)
}

// pick draws one of the features in which the members differ, and their range in it; −1 where there is none.
func (g *grower) pick(members []int32) (feature int, low, high float32) {
	for left := len(g.order); left > 0; left-- {
		k := g.rng.IntN(left)
		f := int(g.order[k])
		g.order[k], g.order[left-1] = g.order[left-1], g.order[k]
		low, high = g.rows[int(members[0])*g.d+f], g.rows[int(members[0])*g.d+f]
		for _, m := range members[1:] {
			x := g.rows[int(m)*g.d+f]
			low, high = min(low, x), max(high, x)
		}
		if low < high {
			return f, low, high
		}
	}
	return -1, 0, 0
}

// blockRows is how many rows go through one tree before the next: they and the tree fit into the first cache.
const blockRows = 256

// bounds returns the least and the largest number of each column.
func bounds(rows []float32, d int) (low, high []float32) {
	low, high = append([]float32(nil), rows[:d]...), append([]float32(nil), rows[:d]...)
	for i := d; i < len(rows); i += d {
		for k, x := range rows[i : i+d] {
			low[k], high[k] = min(low[k], x), max(high[k], x)
		}
	}
	return low, high
}

// paths writes the mean path length of every row as a share of the expected one: 1 is ordinary, near 0 is isolated at once. The anomaly score of the source is 2^−path.
func (f *forest) paths(rows []float32, dst []float64) {
	beyond := make([]float32, f.d)
	for from := 0; from < len(dst); from += blockRows {
		to := min(from+blockRows, len(dst))
		f.lengths(rows[from*f.d:to*f.d], dst[from:to])
		for i := from; i < to; i++ {
			if f.outside(rows[i*f.d:(i+1)*f.d], beyond) {
				dst[i] = f.lengthOutside(rows[i*f.d:(i+1)*f.d], beyond)
			}
		}
	}
	scale := 1 / (float64(max(1, len(f.roots))) * max(f.usual, 1e-9))
	for i := range dst {
		dst[i] *= scale
	}
}

// outside writes how far each feature lies beyond all that was seen and reports whether any does.
func (f *forest) outside(x, beyond []float32) bool {
	found := false
	for k, v := range x {
		beyond[k] = max(v-f.high[k], f.low[k]-v, 0)
		found = found || beyond[k] > 0
	}
	return found
}

// lengthOutside returns the sum of the expected path lengths of a vector that lies outside.
func (f *forest) lengthOutside(x, beyond []float32) float64 {
	sum := 0.0
	for _, root := range f.roots {
		left := 1.0 // the probability that no cut has parted it so far
		at, depth := root, 0
		for ; !f.leaf(at); depth++ {
			n := f.nodes[at]
			sum += left
			if e := float64(beyond[n.feature]); e > 0 {
				span := float64(f.span[at])
				left *= span / (span + e)
			}
			at = root + int32(step(n, x))
		}
		sum += left * (float64(f.path[at]) - float64(depth))
	}
	return sum
}

func (f *forest) leaf(at int32) bool { return math.IsInf(float64(f.nodes[at].at), 1) }

// lengths writes the sum of the path lengths over all trees.
func (f *forest) lengths(rows []float32, dst []float64) {
	clear(dst)
	d := f.d
	for t, root := range f.roots {
		end := len(f.nodes)
		if t+1 < len(f.roots) {
			end = int(f.roots[t+1])
		}
		nodes, path := f.nodes[root:end], f.path[root:end]
		i := 0
		// Four walks at a time: while one waits for its node, the others go on.
		for ; i+4 <= len(dst); i += 4 {
			x0, x1, x2, x3 := rows[i*d:(i+1)*d], rows[(i+1)*d:(i+2)*d], rows[(i+2)*d:(i+3)*d], rows[(i+3)*d:(i+4)*d]
			var a, b, c, e uint
			for range f.depth {
				a, b, c, e = step(nodes[a], x0), step(nodes[b], x1), step(nodes[c], x2), step(nodes[e], x3)
			}
			dst[i] += float64(path[a])
			dst[i+1] += float64(path[b])
			dst[i+2] += float64(path[c])
			dst[i+3] += float64(path[e])
		}
		for ; i < len(dst); i++ {
			var a uint
			for range f.depth {
				a = step(nodes[a], rows[i*d:(i+1)*d])
			}
			dst[i] += float64(path[a])
		}
	}
}

func step(n node, x []float32) uint {
	var right uint
	if x[n.feature] >= n.at {
		right = 1
	}
	return uint(n.left) + right
}

// nodeBytes is the size of a written node.
const nodeBytes = 12

// leafMark is the left of a written leaf, whose cut is its path length.
const leafMark = math.MaxUint16

func (f *forest) write(w wire.Writer) wire.Writer {
	raw := make([]byte, 0, nodeBytes*len(f.nodes))
	roots := make([]float64, len(f.roots))
	for t, root := range f.roots {
		roots[t] = float64(root)
	}
	for i, n := range f.nodes {
		if f.leaf(int32(i)) {
			n = node{at: f.path[i], left: leafMark}
		}
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(n.at))
		raw = binary.LittleEndian.AppendUint16(raw, n.feature)
		raw = binary.LittleEndian.AppendUint16(raw, n.left)
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f.span[i]))
	}
	return w.Ints(int64(f.d), int64(f.depth)).Floats(f.usual).Slice(double(f.low)).Slice(double(f.high)).Slice(roots).Bytes(raw)
}

// readForest reads what write wrote and fails on a tree that leads out of itself.
func readForest(r *wire.Reader) *forest {
	f := &forest{d: int(r.Int()), depth: int(r.Int()), usual: r.Float()}
	f.low, f.high = single(r.Slice()), single(r.Slice())
	roots, raw := r.Slice(), r.Bytes()
	count := len(raw) / nodeBytes
	f.nodes, f.path, f.span = make([]node, count), make([]float32, count), make([]float32, count)
	ok := f.d > 0 && f.depth > 0 && f.depth <= 64 && len(raw)%nodeBytes == 0 && len(f.low) == f.d && len(f.high) == f.d
	for t, x := range roots {
		ok = ok && x >= 0 && x < float64(count) && (t > 0 || x == 0) && (t == 0 || x > roots[t-1])
		if !ok {
			break
		}
		f.roots = append(f.roots, int32(x))
	}
	if !ok || (count > 0) != (len(f.roots) > 0) {
		r.Fail()
		return &forest{d: 1}
	}
	for t, root := range f.roots {
		end := count
		if t+1 < len(f.roots) {
			end = int(f.roots[t+1])
		}
		for i := int(root); i < end; i++ {
			b := raw[nodeBytes*i:]
			f.span[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[8:]))
			n := node{at: math.Float32frombits(binary.LittleEndian.Uint32(b)), feature: binary.LittleEndian.Uint16(b[4:]), left: binary.LittleEndian.Uint16(b[6:])}
			if n.left == leafMark {
				f.path[i] = n.at
				n = node{at: float32(math.Inf(1)), left: uint16(i - int(root))}
			} else if int(n.feature) >= f.d || int(n.left) <= i-int(root) || int(root)+int(n.left)+1 >= end || n.at != n.at {
				r.Fail()
				return &forest{d: 1}
			}
			f.nodes[i] = n
		}
	}
	return f
}

// single turns vectors into the precision that forests cut in.
func single(rows []float64) []float32 {
	out := make([]float32, len(rows))
	for i, x := range rows {
		out[i] = float32(x)
	}
	return out
}

func double(values []float32) []float64 {
	out := make([]float64, len(values))
	for i, x := range values {
		out[i] = float64(x)
	}
	return out
}

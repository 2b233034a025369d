package detect

import (
	"encoding/binary"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// neighbours finds the nearest of a fixed set of points exactly: a k-d tree whose cells know the box around their points, and whose leaves are searched through. It looks
// at the points along their principal axes, the longest first: that changes no distance, cells become smaller, and a few numbers tell most of a distance.
// Sources: Friedman, Bentley and Finkel, TOMS 3(3), 1977, doi:10.1145/355744.355745; Sproull, Algorithmica 6, 1991, doi:10.1007/BF01759061 (principal axes).
type neighbours struct {
	d      int
	axes   []float64 // rows of d numbers
	points []float64 // rows along the axes, in the order of the leaves
	index  []int32   // the number that each row was given with
	nodes  []cell
	// boxes holds, for each cell and axis, the least and the largest number.
	boxes []float64
}

// cell holds the rows [from, to). Where it is cut, one half is the next node and the other is node right; a leaf has 0.
type cell struct{ from, to, right int32 }

// leafRows is how many rows are not worth another cut.
const leafRows = 64

// neighboursOf arranges the rows of d numbers, which it copies.
func neighboursOf(rows []float64, d int) *neighbours {
	t := &neighbours{d: d, axes: widestAxes(rows, d), index: make([]int32, len(rows)/d)}
	turned := make([]float64, len(rows))
	for i := range t.index {
		t.index[i] = int32(i)
		t.along(rows[i*d:(i+1)*d], turned[i*d:(i+1)*d])
	}
	t.cut(turned, 0, len(t.index))
	t.points = make([]float64, 0, len(rows))
	for _, i := range t.index {
		t.points = append(t.points, turned[int(i)*d:(int(i)+1)*d]...)
	}
	return t
}

// widestAxes returns the axes along which rows of d numbers vary, the most first, each of length 1 and upright to the others.
func widestAxes(rows []float64, d int) []float64 {
	axes := make([]float64, d*d)
	for k := range d {
		axes[k*d+k] = 1
	}
	if len(rows) == 0 {
		return axes
	}
	cov := mat.NewSymDense(d, nil)
	stat.CovarianceMatrix(cov, mat.NewDense(len(rows)/d, d, rows), nil)
	_, vectors, err := eigen(cov)
	if err != nil {
		return axes // any axes do
	}
	for k := range d {
		mat.Col(axes[k*d:(k+1)*d], d-1-k, vectors)
	}
	return axes
}

// along writes a row's numbers along the axes.
func (t *neighbours) along(x, dst []float64) {
	for k := range dst {
		sum := 0.0
		for j, a := range t.axes[k*t.d : (k+1)*t.d] {
			sum += a * x[j]
		}
		dst[k] = sum
	}
}

// cut makes a cell of the rows [from, to) of the order and, where there are many, cuts it in the middle of its longest side.
func (t *neighbours) cut(rows []float64, from, to int) {
	at := len(t.nodes)
	t.nodes = append(t.nodes, cell{from: int32(from), to: int32(to)})
	members := t.index[from:to]
	axis, longest := -1, 0.0
	for k := range t.d {
		low, high := math.Inf(1), math.Inf(-1)
		for _, i := range members {
			x := rows[int(i)*t.d+k]
			low, high = min(low, x), max(high, x)
		}
		t.boxes = append(t.boxes, low, high)
		if high-low > longest {
			axis, longest = k, high-low
		}
	}
	if axis < 0 || to-from <= leafRows {
		return
	}
	slices.SortFunc(members, func(i, j int32) int {
		a, b := rows[int(i)*t.d+axis], rows[int(j)*t.d+axis]
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return int(i - j)
	})
	middle := from + (to-from)/2
	t.cut(rows, from, middle)
	t.nodes[at].right = int32(len(t.nodes))
	t.cut(rows, middle, to)
}

// found holds the nearest rows so far, nearest first.
type found struct {
	squared []float64
	index   []int32
	turned  []float64 // the point that they are near to, along the axes
}

func newFound(k int) *found {
	return &found{squared: make([]float64, 0, k), index: make([]int32, 0, k)}
}

// worst is the distance that a row has to be nearer than.
func (f *found) worst() float64 {
	if len(f.squared) < cap(f.squared) {
		return math.Inf(1)
	}
	return f.squared[len(f.squared)-1]
}

// nearest finds the rows nearest to x, as many as f has room for, but not the row numbered except. Of rows that are equally far the one found first is kept.
func (t *neighbours) nearest(x []float64, except int32, f *found) {
	f.squared, f.index = f.squared[:0], f.index[:0]
	if len(t.index) == 0 || cap(f.squared) == 0 {
		return
	}
	f.turned = append(f.turned[:0], x...)
	t.along(x, f.turned)
	t.visit(0, f.turned, except, f)
}

func (t *neighbours) visit(at int32, x []float64, except int32, f *found) {
	n := &t.nodes[at]
	if n.right == 0 {
		t.leaf(n, x, except, f)
		return
	}
	near, other := at+1, n.right
	least, most := t.toBox(near, x), t.toBox(other, x)
	if most < least {
		near, other, least, most = other, near, most, least
	}
	if least < f.worst() {
		t.visit(near, x, except, f)
	}
	if most < f.worst() {
		t.visit(other, x, except, f)
	}
}

// toBox returns the squared distance from x to the box of a cell.
func (t *neighbours) toBox(at int32, x []float64) float64 {
	box := t.boxes[2*t.d*int(at):][:2*len(x)]
	squared := 0.0
	for k, v := range x {
		if gap := box[2*k] - v; gap > 0 {
			squared += gap * gap
		} else if gap := v - box[2*k+1]; gap > 0 {
			squared += gap * gap
		}
	}
	return squared
}

func (t *neighbours) leaf(n *cell, x []float64, except int32, f *found) {
	if t.d == features {
		t.leafFeatures(n, (*[features]float64)(x), except, f)
		return
	}
	worst := f.worst()
	for i := n.from; i < n.to; i++ {
		if squared := apart(x, t.points[int(i)*t.d:int(i+1)*t.d]); squared < worst && t.index[i] != except {
			worst = f.take(squared, t.index[i])
		}
	}
}

// leafFeatures is leaf without calls: most rows are too far already by half of their numbers.
func (t *neighbours) leafFeatures(n *cell, x *[features]float64, except int32, f *found) {
	worst := f.worst()
	rows := t.points[int(n.from)*features : int(n.to)*features]
	for i := n.from; len(rows) >= features; i++ {
		y := (*[features]float64)(rows)
		rows = rows[features:]
		p, q, r, s := x[0]-y[0], x[1]-y[1], x[2]-y[2], x[3]-y[3]
		half := (p*p + q*q) + (r*r + s*s)
		if half >= worst {
			continue
		}
		p, q, r, s = x[4]-y[4], x[5]-y[5], x[6]-y[6], x[7]-y[7]
		if squared := half + ((p*p + q*q) + (r*r + s*s)); squared < worst && t.index[i] != except {
			worst = f.take(squared, t.index[i])
		}
	}
}

// take puts a row that is nearer than the worst where it belongs, and returns the worst from now on.
func (f *found) take(squared float64, index int32) float64 {
	k := len(f.squared)
	if k < cap(f.squared) {
		f.squared, f.index = f.squared[:k+1], f.index[:k+1]
	} else {
		k--
	}
	far, at := f.squared[:k+1], f.index[:k+1]
	for ; k > 0 && far[k-1] > squared; k-- {
		far[k], at[k] = far[k-1], at[k-1]
	}
	far[k], at[k] = squared, index
	return f.worst()
}

// apart returns the squared distance of two vectors of one length, in four sums that do not wait for each other.
func apart(x, y []float64) float64 {
	if len(x) == features && len(y) == features {
		return apartFeatures((*[features]float64)(x), (*[features]float64)(y))
	}
	y = y[:len(x)]
	var a, b, c, d float64
	for len(x) >= 4 && len(y) >= 4 {
		p, q, r, s := x[0]-y[0], x[1]-y[1], x[2]-y[2], x[3]-y[3]
		a, b, c, d = a+p*p, b+q*q, c+r*r, d+s*s
		x, y = x[4:], y[4:]
	}
	for k, v := range x {
		a += (v - y[k]) * (v - y[k])
	}
	return a + b + (c + d)
}

// apartFeatures is apart without a loop.
func apartFeatures(x, y *[features]float64) float64 {
	a, b, c, d := x[0]-y[0], x[1]-y[1], x[2]-y[2], x[3]-y[3]
	e, f, g, h := x[4]-y[4], x[5]-y[5], x[6]-y[6], x[7]-y[7]
	return (a*a + b*b) + (c*c + d*d) + ((e*e + f*f) + (g*g + h*h))
}

// packed writes numbers in single precision.
func packed(values []float64) []byte {
	raw := make([]byte, 0, 4*len(values))
	for _, x := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(x)))
	}
	return raw
}

// unpacked reads what packed wrote.
func unpacked(raw []byte) []float64 {
	out := make([]float64, len(raw)/4)
	for i := range out {
		out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
	}
	return out
}

package detect

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"

	"github.com/foreshock/foreshock/pkg/wire"
)

// centroids are the middles of clusters of vectors of d numbers.
type centroids struct {
	d    int
	rows []float64 // one after another
	// norms holds |row|², so that a distance costs one product.
	norms []float64
}

func newCentroids(rows []float64, d int) *centroids {
	c := &centroids{d: d, rows: rows}
	c.measureNorms()
	return c
}

func (c *centroids) measureNorms() {
	c.norms = c.norms[:0]
	for i := 0; i < len(c.rows); i += c.d {
		row := c.rows[i : i+c.d]
		c.norms = append(c.norms, floats.Dot(row, row))
	}
}

func (c *centroids) row(k int) []float64 { return c.rows[k*c.d : (k+1)*c.d] }

// nearest returns the closest row to times·x, the squared distance to it, and that to the second closest. norm is |times·x|².
func (c *centroids) nearest(x []float64, times, norm float64) (k int, first, second float64) {
	first, second = math.Inf(1), math.Inf(1)
	for i, n := range c.norms {
		switch d := norm + n - 2*times*floats.Dot(x, c.row(i)); {
		case d < first:
			k, first, second = i, d, first
		case d < second:
			second = d
		}
	}
	return k, max(0, first), max(0, second)
}

// cluster finds k middles of the points (rows of d numbers): seeded by k-means++, moved by at most rounds of Lloyd's algorithm. Fewer where there are fewer points.
// Sources: Arthur and Vassilvitskii, k-means++, SODA 2007; Lloyd, IEEE Trans. Inf. Theory 28(2), 1982, doi:10.1109/TIT.1982.1056489.
func cluster(points []float64, d, k, rounds int, rng *rand.Rand) *centroids {
	c := newCentroids(plusPlus(points, d, k, rng), d)
	c.lloyd(points, rounds)
	return c
}

// plusPlus draws starting rows: each point with a probability in proportion to its squared distance from the rows drawn before. Points that are all drawn end it.
func plusPlus(points []float64, d, k int, rng *rand.Rand) []float64 {
	n := len(points) / d
	if n == 0 {
		return nil
	}
	rows := make([]float64, 0, k*d)
	apart := make([]float64, n)
	for i := range apart {
		apart[i] = math.Inf(1)
	}
	for at := rng.IntN(n); ; {
		row := points[at*d : (at+1)*d]
		rows = append(rows, row...)
		if len(rows) == k*d {
			return rows
		}
		total := 0.0
		for i := range apart {
			if gap := floats.Distance(points[i*d:(i+1)*d], row, 2); gap*gap < apart[i] {
				apart[i] = gap * gap
			}
			total += apart[i]
		}
		if !(total > 0) {
			return rows
		}
		mark := rng.Float64() * total
		at = n - 1
		for i, a := range apart {
			if mark -= a; mark < 0 {
				at = i
				break
			}
		}
	}
}

// lloyd moves the rows to the middles of the points nearest to them until nothing changes. Bounds on the distances spare most of them.
// Source: Hamerly, Making k-means even faster, SDM 2010, doi:10.1137/1.9781611972801.12.
func (c *centroids) lloyd(points []float64, rounds int) {
	d, k := c.d, len(c.norms)
	n := len(points) / d
	if n == 0 || k == 0 {
		return
	}
	mine := make([]int, n)
	upper, lower, norm := make([]float64, n), make([]float64, n), make([]float64, n)
	sums, count := make([]float64, k*d), make([]float64, k)
	for i := range mine {
		x := points[i*d : (i+1)*d]
		norm[i] = floats.Dot(x, x)
		at, first, second := c.nearest(x, 1, norm[i])
		mine[i], upper[i], lower[i] = at, math.Sqrt(first), math.Sqrt(second)
		floats.Add(sums[at*d:(at+1)*d], x)
		count[at]++
	}
	moved := make([]float64, k)
	for range rounds {
		most := c.move(sums, count, moved)
		if most == 0 {
			return
		}
		half := c.halfGaps()
		for i := range mine {
			upper[i] += moved[mine[i]]
			lower[i] -= most
			if bound := max(half[mine[i]], lower[i]); upper[i] < bound {
				continue
			}
			x := points[i*d : (i+1)*d]
			at, first, second := c.nearest(x, 1, norm[i])
			upper[i], lower[i] = math.Sqrt(first), math.Sqrt(second)
			if was := mine[i]; at != was {
				floats.Sub(sums[was*d:(was+1)*d], x)
				floats.Add(sums[at*d:(at+1)*d], x)
				count[was]--
				count[at]++
				mine[i] = at
			}
		}
	}
}

// move puts every row into the middle of its points; one without points stays. It returns how far the farthest went.
func (c *centroids) move(sums, count, moved []float64) (most float64) {
	for k := range moved {
		moved[k] = 0
		if count[k] == 0 {
			continue
		}
		row, squared := c.row(k), 0.0
		for j := range row {
			to := sums[k*c.d+j] / count[k]
			squared += (to - row[j]) * (to - row[j])
			row[j] = to
		}
		// Less than rounding is no move.
		if squared > 1e-24*c.norms[k] {
			moved[k] = math.Sqrt(squared)
		}
		most = max(most, moved[k])
	}
	c.measureNorms()
	return most
}

// halfGaps returns half of the distance from each row to the nearest other one: a point nearer than that has no nearer row.
func (c *centroids) halfGaps() []float64 {
	half := make([]float64, len(c.norms))
	for i := range half {
		half[i] = math.Inf(1)
	}
	for i := range half {
		for j := i + 1; j < len(half); j++ {
			gap := floats.Distance(c.row(i), c.row(j), 2) / 2
			half[i], half[j] = min(half[i], gap), min(half[j], gap)
		}
	}
	return half
}

func (c *centroids) write(w wire.Writer) wire.Writer { return w.Ints(int64(c.d)).Slice(c.rows) }

// readCentroids reads what write wrote and fails on rows that are not of that length.
func readCentroids(r *wire.Reader) *centroids {
	d, rows := int(r.Int()), r.Slice()
	if d < 1 || d > len(rows) || len(rows)%d != 0 {
		r.Fail()
		return newCentroids(nil, 1)
	}
	return newCentroids(rows, d)
}

package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/floats"
)

// From the same starting rows the middles are those of sklearn: the same inertia, the same distances.
func TestKMeansBesideSklearn(t *testing.T) {
	t.Parallel()
	var want struct {
		Inertia  float64
		Distance []float64
	}
	peers(t, "kmeans", &want)
	const w = 50
	var at []int
	for i := 0; i+w <= 3000; i += 10 {
		at = append(at, i)
	}
	m := &shapes{each: true}
	points := m.points(peerWave(3000), at, w)
	c := newCentroids(append([]float64(nil), points[:5*w]...), w)
	c.lloyd(points, 100)
	var distance []float64
	inertia := 0.0
	for i := range at {
		x := points[i*w : (i+1)*w]
		_, nearest, _ := c.nearest(x, 1, floats.Dot(x, x))
		inertia += nearest
		distance = append(distance, math.Sqrt(nearest))
	}
	near(t, "inertia", []float64{inertia}, []float64{want.Inertia}, 1e-6)
	near(t, "distance", every(7, distance), want.Distance, 1e-6)
}

// The bounds spare work and change nothing: each point ends with its nearest row, each row in the middle of its points.
func TestLloyd(t *testing.T) {
	t.Parallel()
	const d, n, k = 3, 600, 7
	points := peerPoints(n, d, 9)
	c := cluster(points, d, k, 1000, rand.New(rand.NewPCG(3, 4)))
	sums, count := make([]float64, k*d), make([]float64, k)
	for i := range n {
		x := points[i*d : (i+1)*d]
		at, _, _ := c.nearest(x, 1, floats.Dot(x, x))
		floats.Add(sums[at*d:(at+1)*d], x)
		count[at]++
	}
	for at := range k {
		if count[at] == 0 {
			t.Errorf("cluster %d is empty", at)
		}
		floats.Scale(1/count[at], sums[at*d:(at+1)*d])
	}
	near(t, "middle", c.rows, sums, 1e-9)
}

// Points that are all equal make one cluster, none make none.
func TestClusterOfFewPoints(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	if c := cluster([]float64{2, 3, 2, 3, 2, 3}, 2, 5, 10, rng); len(c.norms) != 1 || c.rows[0] != 2 || c.rows[1] != 3 {
		t.Errorf("equal points: %v", c.rows)
	}
	if c := cluster(nil, 2, 5, 10, rng); len(c.norms) != 0 {
		t.Errorf("no points: %v", c.rows)
	}
}

// The distance of a window does not depend on the level that it lies on.
func TestShapesOnHighLevels(t *testing.T) {
	t.Parallel()
	x := peerWave(500)
	for _, each := range []bool{false, true} {
		m := &shapes{each: each}
		m.known = cluster(m.points(x, []int{0, 20, 40, 60, 300}, 30), 30, 3, 10, rand.New(rand.NewPCG(1, 1)))
		high := make([]float64, len(x))
		for i := range x {
			high[i] = x[i] + 1e6
		}
		near(t, "distance", m.distances(high), m.distances(x), 1e-4)
	}
}

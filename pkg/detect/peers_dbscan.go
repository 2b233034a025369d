package detect

import (
	"fmt"
	"math"
	"slices"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/robust"
)

func init() {
	PeerDetectors.Add(registry.Entry[Peers]{
		Name:    "dbscan",
		Summary: "Looks for groups of members that are close to each other, and tells who belongs to none: for fleets with several kinds of members.",
		Source:  "Ester, Kriegel, Sander and Xu, A density-based algorithm for discovering clusters, KDD 1996",
		New:     func() Peers { return &PeersDBSCAN{Radius: 3, Siblings: 3, peering: defaultPeering()} },
	})
}

// PeersDBSCAN judges members by their distance from the nearest group of members.
type PeersDBSCAN struct {
	Radius   float64 `json:"radius" yaml:"radius" min:"0.1" max:"100" help:"Members nearer than this are neighbours, in usual distances of a member from its nearest neighbours."`
	Siblings int     `json:"siblings" yaml:"siblings" min:"2" max:"100" help:"So many neighbours, itself among them, make a member the core of a group; in a small fleet, half of it."`
	peering
}

// Fit learns how far members usually are from each other.
func (d *PeersDBSCAN) Fit(train PeersTrain) (PeersModel, error) {
	return fitPeers(d.groups(), d.peering, d.shape(), train)
}

func (d *PeersDBSCAN) groups() groupSiblings {
	return groupSiblings{radius: d.Radius, siblings: d.Siblings}
}

// shape writes the two options into the model: it compares by them.
func (d *PeersDBSCAN) shape() string { return fmt.Sprintf("peers-dbscan %g %d", d.Radius, d.Siblings) }

func (*PeersDBSCAN) unmarshal(data []byte) (PeersModel, error) {
	var g groupSiblings
	shape := readShape(data)
	if _, err := fmt.Sscanf(shape, "peers-dbscan %g %d", &g.radius, &g.siblings); err != nil || !(g.radius > 0) || g.siblings < 2 {
		shape = "peers-dbscan"
	}
	return readPeers(data, shape, g)
}

// groupSiblings has members in groups: a member with enough neighbours is the core of one.
type groupSiblings struct {
	radius   float64
	siblings int
}

// inOrder returns the members by their values, and how far from each the last of its nearest neighbours is that would make it the core of a group.
func (g groupSiblings) inOrder(values []float64) (order []int, core []float64) {
	n := len(values)
	order, core = make([]int, n), make([]float64, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return a - b
	})
	at := func(k int) float64 { return values[order[k]] }
	need := min(g.siblings, (n+1)/2)
	for k := range n { // in one dimension the nearest neighbours of a member lie beside it
		core[k] = math.Inf(1)
		for from := max(0, k-need+1); from <= k && from+need <= n; from++ {
			core[k] = min(core[k], math.Max(at(k)-at(from), at(from+need-1)-at(k)))
		}
	}
	return order, core
}

func (g groupSiblings) typical(values []float64) float64 {
	_, core := g.inOrder(values)
	return robust.MedianInPlace(core)
}

func (g groupSiblings) compare(values []float64, usual float64, expected, distance []float64) {
	n := len(values)
	order, core := g.inOrder(values)
	at := func(k int) float64 { return values[order[k]] }
	unit := g.radius * usual
	below := nearestCores(core, unit, at)
	for k := range n {
		i := order[k]
		c := below[k]
		if c < 0 { // there is no group: nobody differs from it
			expected[i], distance[i] = math.NaN(), 0
			continue
		}
		expected[i] = at(c)
		distance[i] = math.Abs(at(k) - at(c))
		if c == k {
			distance[i] = core[k]
		}
		if usual > 0 {
			distance[i] /= usual
		}
	}
}

// nearestCores returns, for each member in order, the index of the nearest core, -1 when there is none.
func nearestCores(core []float64, radius float64, at func(int) float64) []int {
	out := slices.Repeat([]int{-1}, len(core))
	last := -1
	for k := range core {
		if core[k] <= radius {
			last = k
		}
		out[k] = last
	}
	last = -1
	for k := len(core) - 1; k >= 0; k-- {
		if core[k] <= radius {
			last = k
		}
		if last >= 0 && (out[k] < 0 || at(last)-at(k) < at(k)-at(out[k])) {
			out[k] = last
		}
	}
	return out
}

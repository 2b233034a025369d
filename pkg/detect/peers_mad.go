package detect

import (
	"math"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/robust"
)

func init() {
	PeerDetectors.Add(registry.Entry[Peers]{
		Name:    "mad",
		Summary: "Compares each member with the median of the fleet, in median absolute deviations: for members that all do the same.",
		Source:  "Leys et al., Detecting outliers, J. Exp. Soc. Psychol. 49(4), 2013, doi:10.1016/j.jesp.2013.03.013",
		New:     func() Peers { return &PeersMAD{peering: defaultPeering()} },
	})
}

// PeersMAD judges members by their distance from the median of all.
type PeersMAD struct{ peering }

// Fit learns how far members usually are from the median.
func (d *PeersMAD) Fit(train PeersTrain) (PeersModel, error) {
	return fitPeers(medianSiblings{}, d.peering, "peers-mad", train)
}

func (*PeersMAD) unmarshal(data []byte) (PeersModel, error) {
	return readPeers(data, "peers-mad", medianSiblings{})
}

// leastSpread is the share of the usual distance that a fleet's own spread counts with at the least: members that agree better than usual for a moment are no measure.
const leastSpread = 0.5

// medianSiblings has all members in one group around their median.
type medianSiblings struct{}

func (medianSiblings) typical(values []float64) float64 {
	scratch := make([]float64, 0, len(values))
	center := robust.Median(values, scratch)
	for _, x := range values {
		scratch = append(scratch, math.Abs(x-center))
	}
	return robust.Mean(scratch)
}

func (medianSiblings) compare(values []float64, usual float64, expected, distance []float64) {
	center := robust.Median(values, distance[:0:len(distance)])
	spread := robust.Gaussian * robust.MAD(values, center, distance[:0:len(distance)])
	unit := math.Max(spread, leastSpread*usual)
	for i, x := range values {
		expected[i] = center
		distance[i] = math.Abs(x - center)
		if usual > 0 {
			distance[i] /= unit
		}
	}
}

package scorer

import (
	"encoding/json"
	"sync/atomic"

	"github.com/foreshock/foreshock/pkg/detect"
)

// counts is what counted detectors of every shape have in common. To the cache they look like the detectors themselves.
type counts struct {
	options any // the detector
	n       *atomic.Int64
}

// MarshalJSON writes the options of the detector: they are part of a fit's key.
func (c counts) MarshalJSON() ([]byte, error) { return json.Marshal(c.options) }

// Context is that of the detector, 0 where it wants none.
func (c counts) Context(step int64) int {
	if x, ok := c.options.(detect.Contexter); ok {
		return x.Context(step)
	}
	return 0
}

// counted, countedJoint and countedPeers are detectors that count their fits.
type counted struct {
	detect.Detector
	counts
}

func (c counted) Fit(train detect.Train) (detect.Model, error) {
	c.n.Add(1)
	return c.Detector.Fit(train)
}

type countedJoint struct {
	detect.Joint
	counts
}

func (c countedJoint) Fit(train detect.JointTrain) (detect.JointModel, error) {
	c.n.Add(1)
	return c.Joint.Fit(train)
}

type countedPeers struct {
	detect.Peers
	counts
}

func (c countedPeers) Fit(train detect.PeersTrain) (detect.PeersModel, error) {
	c.n.Add(1)
	return c.Peers.Fit(train)
}

package scorer

import (
	"encoding/json"
	"sync/atomic"

	"github.com/foreshock/foreshock/pkg/detect"
)

// counting returns the detector with its fits counted.
func counting(d detect.Detector, n *atomic.Int64) detect.Detector {
	c := counted{d, n}
	if x, ok := d.(detect.Contexter); ok {
		return countedContext{c, x}
	}
	return c
}

// counted is a detector that counts its fits. To the cache it looks like the detector itself.
type counted struct {
	detect.Detector
	n *atomic.Int64
}

func (c counted) Fit(train detect.Train) (detect.Model, error) {
	c.n.Add(1)
	return c.Detector.Fit(train)
}

// MarshalJSON writes the options of the detector: they are part of a fit's key.
func (c counted) MarshalJSON() ([]byte, error) { return json.Marshal(c.Detector) }

type countedContext struct {
	counted
	detect.Contexter
}

// countedJoint and countedPeers do the same for the other kinds.
type countedJoint struct {
	detect.Joint
	n *atomic.Int64
}

func (c countedJoint) Fit(train detect.JointTrain) (detect.JointModel, error) {
	c.n.Add(1)
	return c.Joint.Fit(train)
}

// MarshalJSON writes the options of the detector.
func (c countedJoint) MarshalJSON() ([]byte, error) { return json.Marshal(c.Joint) }

// Context is that of the detector, 0 where it wants none.
func (c countedJoint) Context(step int64) int { return contextOf(c.Joint, step) }

type countedPeers struct {
	detect.Peers
	n *atomic.Int64
}

func (c countedPeers) Fit(train detect.PeersTrain) (detect.PeersModel, error) {
	c.n.Add(1)
	return c.Peers.Fit(train)
}

// MarshalJSON writes the options of the detector.
func (c countedPeers) MarshalJSON() ([]byte, error) { return json.Marshal(c.Peers) }

// Context is that of the detector, 0 where it wants none.
func (c countedPeers) Context(step int64) int { return contextOf(c.Peers, step) }

func contextOf(detector any, step int64) int {
	if c, ok := detector.(detect.Contexter); ok {
		return c.Context(step)
	}
	return 0
}

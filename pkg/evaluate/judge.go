package evaluate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// The shapes of detectors, as rules of the scorer spell their kinds.
const (
	ShapeSeries = "series"
	ShapeJoint  = "joint"
	ShapePeers  = "peers"
)

// Shapes lists them.
func Shapes() []string { return []string{ShapeSeries, ShapeJoint, ShapePeers} }

// UsualDetector is the detector of a shape where none is named.
func UsualDetector(shape string) string {
	if shape == ShapePeers {
		return "mad"
	}
	return "auto"
}

// DetectorNames are the detectors of a shape.
func DetectorNames(shape string) []string {
	switch shape {
	case ShapeJoint:
		return detect.Joints.Names()
	case ShapePeers:
		return detect.PeerDetectors.Names()
	}
	return detect.Detectors.Names()
}

// Judge is a detector of any shape with its options, walk and policy. One of Detector, Joint and Peers is set: what it judges is a series, a vector or a fleet.
type Judge struct {
	detect.Judge
	Joint detect.Joint
	Peers detect.Peers
}

// Shape is what is judged.
func (j Judge) Shape() string {
	switch {
	case j.Joint != nil:
		return ShapeJoint
	case j.Peers != nil:
		return ShapePeers
	}
	return ShapeSeries
}

// Options returns the detector, which is the struct of its options.
func (j Judge) Options() any {
	switch {
	case j.Joint != nil:
		return j.Joint
	case j.Peers != nil:
		return j.Peers
	}
	return j.Detector
}

// With returns the judge with the named detector of a shape in place of its own. The error of a name that another shape has says so.
func (j Judge) With(shape, name string, decode registry.Decode) (Judge, error) {
	j.Name, j.Detector, j.Joint, j.Peers = name, nil, nil, nil
	var err error
	switch shape {
	case ShapeJoint:
		j.Joint, err = detect.Joints.New(name, decode)
	case ShapePeers:
		j.Peers, err = detect.PeerDetectors.New(name, decode)
	default:
		j.Detector, err = detect.Detectors.New(name, decode)
	}
	if err != nil && !slices.Contains(DetectorNames(shape), name) {
		var others []string
		for _, s := range Shapes() {
			if s != shape && slices.Contains(DetectorNames(s), name) {
				others = append(others, s)
			}
		}
		if len(others) > 0 {
			err = fmt.Errorf("%w; %q is a detector of the kind %s", err, name, strings.Join(others, " and "))
		}
	}
	return j, err
}

// Validate reports a policy that the shape cannot have.
func (j Judge) Validate() error {
	switch {
	case j.Joint != nil:
		return j.joint().Validate()
	case j.Peers != nil:
		return j.peers().Validate()
	}
	return nil
}

func (j Judge) joint() detect.JudgeJoint {
	return detect.JudgeJoint{Name: j.Name, Detector: j.Joint, Walk: j.Walk, Policy: j.Policy, Fits: j.Fits, HistoryStart: j.HistoryStart}
}

func (j Judge) peers() detect.JudgePeers {
	return detect.JudgePeers{Name: j.Name, Detector: j.Peers, Walk: j.Walk, Policy: j.Policy, Fits: j.Fits, HistoryStart: j.HistoryStart}
}

// judge runs the detector over cases that are judged at once: one, or the members of one fleet.
func (j Judge) judge(ctx context.Context, all []Case) ([]detect.Verdicts, *detect.JointVerdicts, error) {
	c := all[0]
	switch {
	case j.Joint != nil:
		v, err := j.joint().Vector(ctx, *c.Vector, c.Clean, c.From, c.To)
		return []detect.Verdicts{v.Verdicts}, &v, err
	case j.Peers != nil:
		found, err := j.peers().Fleet(ctx, *c.Fleet, c.From, c.To)
		if err != nil {
			return nil, nil, err
		}
		out := make([]detect.Verdicts, len(all))
		for i, c := range all {
			out[i] = found[c.Row]
		}
		return out, nil, nil
	}
	v, err := j.Filtered(ctx, c.Series, c.Clean, c.From, c.To)
	return []detect.Verdicts{v}, nil, err
}

// withBudget returns the judge with another noise budget.
func (j Judge) withBudget(budget float64) (Judge, error) {
	raw, err := json.Marshal(j.Options())
	if err != nil {
		return j, fmt.Errorf("detector %s: write its options: %w", j.Name, err)
	}
	var options map[string]json.RawMessage
	if err := json.Unmarshal(raw, &options); err != nil {
		return j, fmt.Errorf("detector %s: read its options: %w", j.Name, err)
	}
	options[budgetParam] = json.RawMessage(fmt.Sprintf("%g", budget))
	if raw, err = json.Marshal(options); err != nil {
		return j, fmt.Errorf("detector %s: write its options: %w", j.Name, err)
	}
	return j.With(j.Shape(), j.Name, registry.FromJSON(raw))
}

package detect

import (
	"encoding"
	"errors"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// Joints holds every detector of several series that are read as one vector, by name.
var Joints = registry.NewOf[Joint]("joint detector")

// Joint learns which combinations of values are normal: a point with a dimension for each series. Its options struct is the detector.
// Implementations are safe for concurrent use: Fit reads the options and writes nothing.
type Joint interface {
	// Validate reports options that the tags cannot rule out.
	Validate() error
	// Fit learns from the training window. It is a pure function of the options and the window: same input, same model, bit for bit. Gaps are allowed: a point that lacks
	// more than half of its dimensions is left out. It returns an error that wraps ErrTooShort when there is too little to learn from, and never panics.
	Fit(train JointTrain) (JointModel, error)
	// Catches tells which kinds of abnormal points the detector is made for; the conformance tests hold it to that.
	Catches() []Break
}

// ErrDimensions is the error of a vector with more dimensions than a fit can hold.
var ErrDimensions = errors.New("too many dimensions with a sample in the training window")

// JointTrain is a training window of vectors.
type JointTrain struct {
	// Vector holds the points of [anchor − train, anchor). What is not fit for training is a gap in all dimensions.
	Vector series.Vector
	// Zone is where days begin; nil is UTC.
	Zone *time.Location
	// N of M points must be abnormal for an episode. Zero means 1.
	N, M int
}

// JointModel is a fitted joint detector. It is immutable and safe for concurrent use.
type JointModel interface {
	// Score judges the points of window[warmup:], with window[:warmup] as context that is not judged. The window has the dimensions that the model was fitted to, in the same
	// order. All slices of the result have length window.Grid.N − warmup. The score of a point uses points up to that one only. The window is not changed.
	Score(window series.Vector, warmup int) (JointResult, error)
	// MarshalBinary writes the model; UnmarshalJoint reads it.
	encoding.BinaryMarshaler
}

// JointReviewer is implemented by joint detectors that judge a whole run better when they may look at later points too: for investigation and benchmarks, never a verdict.
type JointReviewer interface {
	// Review learns from train and returns one raw score per point of v, 0 or more, higher is more abnormal, NaN for gaps. Scores are comparable within v only.
	Review(train JointTrain, v series.Vector) ([]float64, error)
}

// JointResult holds one entry per judged point.
type JointResult struct {
	// Score is the level: 0 ordinary, 1 and above an anomaly, NaN where State is not OK.
	Score []float64
	// Contributions[d] says how much of each score comes from dimension d: over the dimensions they sum to the score. One may be negative: it makes the point more usual
	// than it would be without. NaN where the score is.
	Contributions [][]float64
	// Lower and Upper are the usual range of each dimension alone, Expected[d] its middle.
	Expected, Lower, Upper []float64
	// Break tells what kind of abnormal a point is; NoBreak below a score of 1.
	Break []Break
	// State tells what is wrong with the data at that point. Gap: more than half of the dimensions are missing; where fewer are, the point is judged by the others.
	State []State
}

// NewJointResult returns a result for n points of d dimensions with room in every slice.
func NewJointResult(n, d int) JointResult {
	r := JointResult{Score: make([]float64, n), Contributions: make([][]float64, d), Break: make([]Break, n), State: make([]State, n)}
	for k := range r.Contributions {
		r.Contributions[k] = make([]float64, n)
	}
	v := make([]float64, 3*d)
	r.Expected, r.Lower, r.Upper = v[:d:d], v[d:2*d:2*d], v[2*d:]
	return r
}

// Break is a kind of abnormal point.
type Break uint8

// The kinds.
const (
	// NoBreak: the point is ordinary.
	NoBreak Break = iota
	// Correlation: every dimension lies in its usual range, but not all of them together.
	Correlation
	// Together: several dimensions left their usual range, and moved as they usually do with each other: everything rose, or fell.
	Together
	// Apart: some dimensions left their usual range, and not as the others would have it.
	Apart
	breaks
)

var breakNames = [breaks]string{"none", "correlation", "together", "apart"}

// String returns the name that users see: "none", "correlation", "together" or "apart".
func (b Break) String() string {
	if b < breaks {
		return breakNames[b]
	}
	return fmt.Sprintf("break(%d)", uint8(b))
}

// jointUnmarshaler is the reading side of a joint detector's models.
type jointUnmarshaler interface {
	unmarshal(data []byte) (JointModel, error)
}

// UnmarshalJoint reads a model that MarshalBinary of the named joint detector's model wrote.
func UnmarshalJoint(name string, data []byte) (JointModel, error) {
	e, err := Joints.Get(name)
	if err != nil {
		return nil, err
	}
	u, ok := e.New().(jointUnmarshaler)
	if !ok {
		return nil, fmt.Errorf("joint detector %s: its models cannot be read back", name)
	}
	m, err := u.unmarshal(data)
	if err != nil {
		return nil, fmt.Errorf("joint detector %s: read a model: %w", name, err)
	}
	return m, nil
}

// Package detect says which samples of a series are abnormal, by how much, and why.
//
// The idea: a detector is fitted at absolute anchors on the past only, and scores what follows on one scale: 1 is an anomaly, 0 is
// ordinary. Walk tells which anchor judges which sample, Judge runs it, Policy turns scores into episodes worth an alarm. Nothing in a
// verdict depends on the range that was asked for.
//
//	d, err := detect.Detectors.New("seasonal", nil)
//	j := detect.Judge{Name: "seasonal", Detector: d, Walk: detect.DefaultWalk(), Policy: detect.DefaultPolicy()}
//	grid := j.Walk.Fetch(from, to, j.Policy)     // what has to be fetched to judge [from, to]
//	v, err := j.Series(ctx, s, from, to)
//
// It fetches nothing, logs nothing and keeps no state but the cache of fits.
package detect

import (
	"encoding"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// Detectors holds every detector of one series, by name.
var Detectors = registry.NewOf[Detector]("detector")

// ErrTooShort is wrapped by Fit when the training window holds too little to learn from.
var ErrTooShort = errors.New("too little history")

// Detector learns what is normal from a training window. Its options struct is the detector. Implementations are safe for concurrent
// use: Fit reads the options and writes nothing.
type Detector interface {
	// Validate reports options that the tags cannot rule out.
	Validate() error
	// Fit learns from the training window. It is a pure function of the options and the window: same input, same model, bit for bit.
	// Gaps are allowed. It returns an error that wraps ErrTooShort when there is too little to learn from, and never panics.
	Fit(train Train) (Model, error)
	// Catches tells which kinds of anomaly the detector is made for; the conformance tests hold it to that.
	Catches() Kinds
}

// Train is a training window and what a fit may know besides the samples.
type Train struct {
	// Series holds the samples of [anchor − train, anchor).
	Series series.Series
	// Zone is where days begin; nil is UTC.
	Zone *time.Location
	// N of M samples must be abnormal for an episode: the threshold is calibrated on episodes, not on samples. Zero means 1.
	N, M int
}

// Model is a fitted detector. It is immutable and safe for concurrent use.
type Model interface {
	// Score judges the samples of window[warmup:], with window[:warmup] as context that is not judged. All slices of the Result have
	// length window.Grid.N − warmup. The score of a sample uses samples up to that one only. The window is not changed.
	Score(window series.Series, warmup int) (Result, error)
	// MarshalBinary writes the model, so that a fit can be cached, stored and moved; Unmarshal reads it.
	encoding.BinaryMarshaler
}

// Contexter is implemented by detectors that need earlier samples before the first that they judge.
type Contexter interface {
	// Context returns how many samples of that step (milliseconds) must come before the first judged one.
	Context(step int64) int
}

// Calibrated is implemented by models whose scale follows from a noise budget.
type Calibrated interface {
	// Calibration returns what score 1 promises.
	Calibration() Calibration
}

// Comparison holds a model against the value one period before.
type Comparison = baseline.Comparison

// Compared is implemented by models that were held against the value one period before.
type Compared interface {
	// Floor returns the comparison on the held-out end of the training window.
	Floor() Comparison
}

// Reviewer is implemented by detectors that judge a whole series better when they may look at later samples too. What it says is for investigation, never a verdict.
type Reviewer interface {
	// Review returns one raw score per sample, 0 or more, higher is more abnormal, NaN for gaps. Scores are comparable within the series only.
	Review(s series.Series, zone *time.Location) ([]float64, error)
}

// Result holds one entry per judged sample.
type Result struct {
	// Score is the level: 0 ordinary, 1 and above an anomaly, NaN where State is not OK.
	Score []float64
	// Expected, Lower and Upper are what is normal: score ≥ 1 exactly where the sample lies outside (Lower, Upper). NaN where undefined.
	Expected, Lower, Upper []float64
	// State tells what is wrong with the data at that sample.
	State []State
}

// NewResult returns a Result for n samples with room in every slice.
func NewResult(n int) Result {
	v := make([]float64, 4*n)
	return Result{Score: v[0:n:n], Expected: v[n : 2*n : 2*n], Lower: v[2*n : 3*n : 3*n], Upper: v[3*n:], State: make([]State, n)}
}

// State is the condition of the data at one sample. OK carries a score, and so do Shifted, Flat and Muted.
type State uint8

// The states. None of them is an alarm by itself.
const (
	// OK: the sample was judged.
	OK State = iota
	// Gap: there is no sample, or an infinite one.
	Gap
	// WarmUp: the series is younger than the shortest training window.
	WarmUp
	// TooShort: the training window holds too few samples to fit the detector.
	TooShort
	// Constant: the training window held one value, and this sample has it.
	Constant
	// HistoryGone: the training window reaches back beyond what the source still holds.
	HistoryGone
	// Shifted: the series has stayed abnormal for the whole horizon; it is no longer an event. The score is kept.
	Shifted
	// Flat: the series keeps exactly one value for longer than it ever did; its source may be stuck. The score is kept.
	Flat
	// Reset: the series is a counter that nobody took the rate of, and it began anew at this sample. The samples after it are judged as if it had gone on.
	Reset
	// Stale: nothing came for half an hour or more, of a series that was there before.
	Stale
	// Alone: fewer than three members of the fleet have a sample, so that none can differ from the others.
	Alone
	// Muted: the policy's calendar holds the time; the score is kept and alarms nobody.
	Muted
	states
)

var stateNames = [states]string{"ok", "gap", "warm-up", "too-short", "constant", "history-gone", "shifted", "flat", "reset", "stale", "alone", "muted"}

// String returns the name that users see: "ok", "gap", "warm-up", "too-short", "constant", "history-gone", "shifted", "flat", "reset", "stale", "alone" or "muted".
func (s State) String() string {
	if s < states {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// States returns all states in order.
func States() []State {
	all := make([]State, states)
	for i := range all {
		all[i] = State(i)
	}
	return all
}

// Kinds is a set of kinds of anomaly.
type Kinds uint8

// The kinds that the conformance tests inject.
const (
	// Spike: a few samples far above normal.
	Spike Kinds = 1 << iota
	// Drop: a few samples far below normal.
	Drop
	// Shift: the level changes and stays.
	Shift
	// Season: the usual shape of the day is missing or displaced while all values lie in the usual range.
	Season
	// Scatter: values go up and down much more than usual around the same level.
	Scatter
)

// Has reports whether all kinds of k2 are in k.
func (k Kinds) Has(k2 Kinds) bool { return k&k2 == k2 }

// String lists the kinds: "spike, drop".
func (k Kinds) String() string {
	var names []string
	for i, n := range []string{"spike", "drop", "shift", "season", "scatter"} {
		if k.Has(1 << i) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

// Unmarshal reads a model that MarshalBinary of the named detector's model wrote.
func Unmarshal(detector string, data []byte) (Model, error) {
	e, err := Detectors.Get(detector)
	if err != nil {
		return nil, err
	}
	u, ok := e.New().(unmarshaler)
	if !ok {
		return nil, fmt.Errorf("detector %s: its models cannot be read back", detector)
	}
	m, err := u.unmarshal(data)
	if err != nil {
		return nil, fmt.Errorf("detector %s: read a model: %w", detector, err)
	}
	return m, nil
}

// unmarshaler is the reading side of a detector's models.
type unmarshaler interface {
	unmarshal(data []byte) (Model, error)
}

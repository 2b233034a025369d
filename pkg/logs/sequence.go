package logs

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/wire"
)

// A SequenceDetector learns what sessions usually look like. The options struct is the detector, as everywhere in the house.
type SequenceDetector interface {
	registry.Validator
	// Fit learns from sessions that are taken as normal. The threshold comes from them alone. ErrFewSessions is wrapped where there are too few.
	Fit(train [][]ID) (SequenceModel, error)
	// read takes a model off that MarshalBinary wrote.
	read(r *wire.Reader) (SequenceModel, error)
}

// A SequenceModel judges sessions. It is safe for concurrent use.
type SequenceModel interface {
	Score(events []ID) Verdict
	encoding.BinaryMarshaler
}

// Verdict on one session.
type Verdict struct {
	// Score is 0 for what was learnt and 1 or more for an anomaly.
	Score float64
	// Step is the index of the event that speaks most against the session; the number of events if it is what did not come; -1 if nothing does.
	Step int
}

// Anomalous reports a score of 1 or more.
func (v Verdict) Anomalous() bool { return v.Score >= 1 }

// ErrFewSessions is wrapped by Fit where there is too little to learn from.
var ErrFewSessions = errors.New("too few sessions")

// minSessions is the least that Fit takes: five parts of two.
const minSessions = 10

// Sequences are the registered sequence detectors.
var Sequences = registry.NewOf[SequenceDetector]("sequence detector")

// RestoreSequence reads a model that MarshalBinary of a registered detector wrote.
func RestoreSequence(data []byte) (SequenceModel, error) {
	r := wire.NewReader(data)
	name := r.Text()
	d, err := Sequences.New(name, nil)
	if err != nil {
		return nil, fmt.Errorf("sequence model: %w: %w", err, wire.ErrCorrupt)
	}
	m, err := d.read(r)
	if err != nil {
		return nil, err
	}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("sequence model %s: %w", name, err)
	}
	return m, nil
}

// raw is a model before its threshold is known: the larger, the stranger.
type raw interface {
	strange(events []ID) (float64, int)
	write(w wire.Writer) wire.Writer
}

// calibrated is a raw model with its threshold.
type calibrated struct {
	name  string
	raw   raw
	theta float64
}

func (c *calibrated) Score(events []ID) Verdict {
	x, step := c.raw.strange(events)
	if x <= 0 {
		return Verdict{0, -1}
	}
	return Verdict{x / c.theta, step}
}

func (c *calibrated) MarshalBinary() ([]byte, error) {
	return c.raw.write(wire.Writer{}.Text(c.name).Floats(c.theta)), nil
}

// readTheta reads the threshold.
func readTheta(r *wire.Reader) float64 {
	theta := r.Float()
	if !(theta > 0) || math.IsInf(theta, 0) {
		r.Fail()
	}
	return theta
}

// weighted is a distinct session and how often it occurred in each part.
type weighted struct {
	events []ID
	n      [folds]int
}

const folds = 5

// distinct groups equal sessions, in the order of their first occurrence. Session i belongs to part i mod 5.
func distinct(train [][]ID) []weighted {
	at := map[string]int{}
	var all []weighted
	var key []byte
	for i, s := range train {
		key = key[:0]
		for _, e := range s {
			key = append(strconv.AppendUint(key, uint64(e), 36), ' ')
		}
		k, ok := at[string(key)]
		if !ok {
			k = len(all)
			at[string(key)] = k
			all = append(all, weighted{events: s})
		}
		all[k].n[i%folds]++
	}
	return all
}

// counted is a distinct session with a weight.
type counted struct {
	events []ID
	n      float64
}

func without(all []weighted, fold int) []counted {
	var some []counted
	for _, w := range all {
		n := 0
		for f, k := range w.n {
			if f != fold {
				n += k
			}
		}
		if n > 0 {
			some = append(some, counted{w.events, float64(n)})
		}
	}
	return some
}

// calibrate fits on four fifths, asks how strange the last fifth is, five times, and puts the threshold behind what the budget allows: the share of normal
// sessions that may be called anomalies. The model is then fitted on everything. least is the smallest threshold that makes sense.
func calibrate(name string, train [][]ID, budget, least float64, fit func([]counted) raw) (SequenceModel, error) {
	if len(train) < minSessions {
		return nil, fmt.Errorf("%s: got %d sessions, want at least %d: %w", name, len(train), minSessions, ErrFewSessions)
	}
	all := distinct(train)
	var held []float64
	for f := range folds {
		m := fit(without(all, f))
		for _, w := range all {
			if w.n[f] == 0 {
				continue
			}
			x, _ := m.strange(w.events)
			for range w.n[f] {
				held = append(held, x)
			}
		}
	}
	theta := tail(held, budget)
	// A hair above: what is as strange as that is still normal.
	return &calibrated{name, fit(without(all, -1)), max(theta*(1+1e-9), least)}, nil
}

// tail returns the value that the share budget of normal sessions exceeds. Beyond the 95 % quantile the values are taken as exponential, with the scale of their
// median: sessions of a rare kind, of which training has but one or two, lie far out and must not move the threshold.
func tail(held []float64, budget float64) float64 {
	slices.Sort(held)
	n := len(held)
	quantile := func(p float64) float64 { return held[min(int(p*float64(n)), n-1)] }
	if budget >= tailShare {
		return quantile(1 - budget)
	}
	u := quantile(1 - tailShare)
	first, _ := slices.BinarySearchFunc(held, u, func(x, u float64) int {
		if x <= u {
			return -1
		}
		return 1
	})
	over := held[first:]
	if len(over) == 0 {
		return u
	}
	scale := (over[len(over)/2] - u) / math.Ln2
	return u + scale*math.Log(max(1, float64(len(over))/float64(n)/max(budget, 1e-9)))
}

// tailShare is where the tail begins.
const tailShare = 0.05

// budgetOf is embedded by the detectors.
type budgetOf struct {
	Budget float64 `json:"budget" yaml:"budget" min:"0" max:"0.5" help:"Share of normal sessions that may be called anomalies; the threshold is chosen on the training sessions."`
}

func (b *budgetOf) Validate() error { return nil }

// vocabulary numbers the events from 0 on, in the order of their ids.
type vocabulary struct {
	ids []ID
	at  map[ID]int
}

func vocabularyOf(train []counted) vocabulary {
	seen := map[ID]bool{}
	for _, s := range train {
		for _, e := range s.events {
			seen[e] = true
		}
	}
	ids := make([]ID, 0, len(seen))
	for e := range seen {
		ids = append(ids, e)
	}
	slices.Sort(ids)
	return newVocabulary(ids)
}

func newVocabulary(ids []ID) vocabulary {
	v := vocabulary{ids, make(map[ID]int, len(ids))}
	for i, e := range ids {
		v.at[e] = i
	}
	return v
}

func (v vocabulary) write(w wire.Writer) wire.Writer {
	w = w.Ints(int64(len(v.ids)))
	for _, e := range v.ids {
		w = w.Ints(int64(e))
	}
	return w
}

func readVocabulary(r *wire.Reader) vocabulary {
	var ids []ID
	for n := r.Int(); n > 0; n-- {
		e := ID(r.Int())
		if len(ids) > 0 && e <= ids[len(ids)-1] {
			r.Fail()
			break
		}
		ids = append(ids, e)
	}
	return newVocabulary(ids)
}

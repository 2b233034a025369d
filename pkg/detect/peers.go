package detect

import (
	"context"
	"encoding"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// PeerDetectors holds every detector that compares the members of a fleet with each other, by name.
var PeerDetectors = registry.NewOf[Peers]("peer detector")

// leastPeers is how many members must have a sample for one of them to differ: of two, nobody can tell which.
const leastPeers = 3

// Peers tells which members of a fleet differ from their siblings. Its options struct is the detector. Implementations are safe for concurrent use.
type Peers interface {
	// Validate reports options that the tags cannot rule out.
	Validate() error
	// Fit learns how much the members usually differ. It is a pure function of the options and the window. The error wraps ErrTooShort when there is too little to learn from;
	// it never panics.
	Fit(train PeersTrain) (PeersModel, error)
}

// PeersTrain is a training window of a fleet.
type PeersTrain struct {
	// Labels are what the members have in common.
	Labels series.Labels
	// Set holds the samples of [anchor − train, anchor), gaps where they are not fit for training.
	Set series.Set
	// Zone is where days begin; nil is UTC.
	Zone *time.Location
	// N of M samples must be abnormal for an episode. Zero means 1.
	N, M int
}

// PeersModel is what is usual in a fleet. It is immutable and safe for concurrent use.
type PeersModel interface {
	// Compare judges each member of the window from sample warmup on, in the order of its members, who may be others than those that the model was fitted to. Expected is
	// where the siblings are. A sample at which fewer than three members have one is in state Alone. The score of a sample uses samples up to that one only. The window
	// is not changed.
	Compare(window series.Set, warmup int) ([]Result, error)
	// MarshalBinary writes the model; UnmarshalPeers reads it.
	encoding.BinaryMarshaler
}

// UnmarshalPeers reads a model that MarshalBinary of the named peer detector's model wrote.
func UnmarshalPeers(name string, data []byte) (PeersModel, error) {
	e, err := PeerDetectors.Get(name)
	if err != nil {
		return nil, err
	}
	u, ok := e.New().(interface {
		unmarshal(data []byte) (PeersModel, error)
	})
	if !ok {
		return nil, fmt.Errorf("peer detector %s: its models cannot be read back", name)
	}
	m, err := u.unmarshal(data)
	if err != nil {
		return nil, fmt.Errorf("peer detector %s: read a model: %w", name, err)
	}
	return m, nil
}

// JudgePeers runs one peer detector over one walk, as Judge does for single series. Safe for concurrent use.
type JudgePeers struct {
	// Name is the registered name of the detector and Detector its options.
	Name     string
	Detector Peers
	Walk     Walk
	Policy   Policy
	// Fits is where fits are kept; nil fits every time.
	Fits *Fits
	// HistoryStart is as in Judge.
	HistoryStart int64
}

// Fleet is a number of series that are to be alike.
type Fleet struct {
	// Labels are what the members have in common: they identify the fleet, and stay when members come and go.
	Labels series.Labels
	series.Set
	// Clean has a mask for each member: only samples at which it has a value are learnt from. Nil: all are.
	Clean []series.Series
}

// Validate reports a policy that fleets cannot have.
func (j JudgePeers) Validate() error { return j.Policy.unwatched("a fleet") }

// Fleet judges the samples of every member stamped in [from, to]; the verdicts are in the order of the members. The set must cover Walk.Fetch(from, to, Policy). A member is
// judged while it has samples; the fleet is old when it is, whatever the age of the member. Each fit learns from the members with a sample in its training window, and a sample is
// compared with the members that have one then. So the set is to hold all members that ever were in its range, not only those that are of interest: a verdict is then the same
// whatever the range.
func (j JudgePeers) Fleet(ctx context.Context, f Fleet, from, to int64) ([]Verdicts, error) {
	return j.Against(ctx, f, f, from, to)
}

// Against judges the samples of f by fits that learn from another past of the same members, as Judge.Against does for single series.
func (j JudgePeers) Against(ctx context.Context, past, f Fleet, from, to int64) ([]Verdicts, error) {
	if err := j.Validate(); err != nil {
		return nil, fmt.Errorf("judge %s: %w", f.Labels, err)
	}
	step := j.Walk.Step.Milliseconds()
	if f.Grid.Step != step || past.Grid.Step != step {
		return nil, fmt.Errorf("judge %s: samples %d ms apart, want the step of the walk, %d ms", f.Labels, f.Grid.Step, step)
	}
	loc, err := j.Walk.Location()
	if err != nil {
		return nil, err
	}
	out := series.GridOver(from, to, step)
	grid := series.GridOver(j.Walk.judged(out.Start, j.Policy), to, step)
	presence := f.Presence(f.Labels)
	w := fleetWalk{JudgePeers: j, past: past, f: f, loc: loc}
	w.walker = walker{Judge: Judge{Walk: j.Walk, Policy: j.Policy, HistoryStart: j.HistoryStart}, ctx: ctx, past: past.Presence(past.Labels), s: presence, window: cover(presence, grid), r: NewResult(grid.N)}
	w.walker.stretch = w.stretch
	for range f.Members {
		w.found = append(w.found, NewResult(grid.N))
	}
	if err := w.walker.score(); err != nil {
		return nil, fmt.Errorf("judge %s: %w", f.Labels, err)
	}
	verdicts := make([]Verdicts, len(f.Members))
	for m, s := range f.Members {
		one := w.walker
		one.s, one.window, one.r = s, cover(s, grid), w.found[m]
		for i, st := range w.walker.r.State {
			if st != OK { // what the walk said of the fleet as a whole holds for every member
				one.mark(grid.At(i), grid.At(i+1), st)
			}
		}
		if err := j.Policy.mute(grid, one.r, loc); err != nil {
			return nil, err
		}
		v := newVerdicts(one.window, one.r)
		v.Calibration = w.walker.promise
		v.Episodes = j.Policy.run(one.window, one.r, &v)
		for i := range v.Episodes {
			v.Episodes[i].Detector = "peers"
		}
		verdicts[m] = v.last(out, j.Policy.outage(step))
	}
	return verdicts, nil
}

// fleetWalk is one fleet on its walk.
type fleetWalk struct {
	JudgePeers
	walker walker
	past   Fleet // what fits learn from
	f      Fleet // what is judged
	loc    *time.Location
	found  []Result
}

// stretch fits at anchor a and scores samples [i, j) of the window.
func (g *fleetWalk) stretch(a int64, i, j int) error {
	train := PeersTrain{Labels: g.f.Labels, Set: g.past.Between(a-g.Walk.Train.Milliseconds(), a), Zone: g.loc, N: g.Policy.N, M: g.Policy.M}
	w := fitWindow{kind: "peers", name: g.Name, options: g.Detector, labels: g.f.Labels, grid: train.Set.Grid, zone: g.loc, n: g.Policy.N, m: g.Policy.M}
	var learnt []series.Series
	for m, s := range train.Set.Members {
		if g.past.Clean != nil {
			s = s.Where(g.past.Clean[m])
		}
		if s.FirstPresent() < 0 { // it was there at another time of the set's range: that is not to matter
			continue
		}
		learnt = append(learnt, s)
		w.values = append(w.values, s.Values)
		w.names = append(w.names, s.Labels.String())
	}
	train.Set.Members = learnt
	model, err := shared(g.walker.ctx, g.Fits, w, func() (PeersModel, error) { return g.Detector.Fit(train) })
	if err != nil {
		return fmt.Errorf("fit: %w", err)
	}
	before := contextOf(g.Detector, g.f.Grid.Step)
	grid, recent := g.walker.asked(a, before, j)
	part := series.Set{Grid: grid, Members: make([]series.Series, len(g.f.Members))}
	for m, s := range g.f.Members {
		part.Members[m] = cover(s, grid)
	}
	found, err := model.Compare(part, before)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	g.walker.promised(model)
	for m, r := range found {
		markShifted(part.Members[m].Values[before:], r, recent)
		one := walker{r: g.found[m]}
		one.copy(r, i, j)
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"iter"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// fitting says which fits judge an input.
type fitting struct {
	mode  string // "anchored", "all" or "first"
	first int    // rows of "first"
}

// parseFitting reads the flag: anchored, all or first:N.
func parseFitting(s string) (fitting, error) {
	switch {
	case s == "anchored" || s == "all":
		return fitting{mode: s}, nil
	case strings.HasPrefix(s, "first:"):
		n, err := strconv.Atoi(s[len("first:"):])
		if err == nil && n > 0 {
			return fitting{mode: "first", first: n}, nil
		}
	}
	return fitting{}, badInputf("--fit: got %q, want anchored, all or first:N with a number of rows", s)
}

// review reports whether samples are read in the light of later ones.
func (f fitting) review() bool { return f.mode != "anchored" }

// name is what outputs call the mode.
func (f fitting) name() string {
	if f.review() {
		return "review"
	}
	return "verdict"
}

// parts yields the verdicts of a series in consecutive stretches, in order. A verdict does not depend on the range that it is asked in, so
// the stretches bound the memory and are judged by that many workers at once. Fits learn where clean has a value; the zero series: from all.
func parts(ctx context.Context, j detect.Judge, s, clean series.Series, workers int) iter.Seq2[detect.Verdicts, error] {
	step := s.Grid.Step
	// An episode that is open at the end of a stretch ends within the horizon, so that the next, asked from so much earlier, tells its end.
	back := int(j.Policy.Horizon.Milliseconds() / step)
	// What a stretch costs besides its own samples: the policy looks back over its horizon, and scoring starts at an anchor before that.
	extra := 2*back + int(j.Walk.Refit.Milliseconds()/step)
	length := max(16*extra, 1<<18)
	if even := (s.Grid.N + workers - 1) / max(workers, 1); even < length && even > 2*extra {
		length = even
	}
	return func(yield func(detect.Verdicts, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		type answer struct {
			v   detect.Verdicts
			err error
		}
		var running []chan answer
		start := func(i int) {
			done := make(chan answer, 1)
			running = append(running, done)
			before := min(i, back)
			from, to := s.Grid.At(i-before), s.Grid.At(min(i+length, s.Grid.N)-1)
			go func() {
				v, err := j.Filtered(ctx, s, clean, from, to)
				if err == nil {
					v = without(v, before)
				}
				done <- answer{v, err}
			}()
		}
		next := 0
		for next < s.Grid.N || len(running) > 0 {
			for ; len(running) < max(workers, 1) && next < s.Grid.N; next += length {
				start(next)
			}
			a := <-running[0]
			running = running[1:]
			if !yield(a.v, a.err) || a.err != nil {
				cancel()
				for _, r := range running {
					<-r
				}
				return
			}
		}
	}
}

// without returns the verdicts without the first n samples, but with all episodes.
func without(v detect.Verdicts, n int) detect.Verdicts {
	v.Series = v.Series.Slice(n, v.Series.Grid.N)
	v.Score, v.Expected, v.Lower, v.Upper, v.Onset = v.Score[n:], v.Expected[n:], v.Lower[n:], v.Upper[n:], v.Onset[n:]
	v.Anomalous, v.State = v.Anomalous[n:], v.State[n:]
	return v
}

// reviewed yields the one stretch of a two-sided reading.
func reviewed(j detect.Judge, s series.Series, fitted int) iter.Seq2[detect.Verdicts, error] {
	return func(yield func(detect.Verdicts, error) bool) {
		v, err := j.Review(s, fitted)
		yield(v, err)
	}
}

// judgeTable yields the verdicts of a laid table, member 0 of its set.
func judgeTable(ctx context.Context, j detect.Judge, f fitting, t *table, l *laid, clean series.Series, workers int) iter.Seq2[detect.Verdicts, error] {
	s := l.set.Members[0]
	switch f.mode {
	case "all":
		return reviewed(j, s, 0)
	case "first":
		last := 0
		for i := range min(f.first, t.n) {
			last = max(last, l.place(t.time(i)))
		}
		return reviewed(j, s, last+1)
	}
	return parts(ctx, j, s, clean, workers)
}

// lookup finds verdicts by time, taking stretches as they are needed. Behind the last asked time it keeps them only when told so.
type lookup struct {
	next     func() (detect.Verdicts, error, bool)
	keep     bool
	held     []detect.Verdicts
	episodes []detect.Episode
	states   map[detect.State]int
	promise  detect.Calibration
	floor    detect.Comparison // of the newest fit
	choice   detect.Choice     // too
	merged   int               // rows whose place another row has
}

// at returns the stretch that holds time t and the index in it.
func (l *lookup) at(t int64) (*detect.Verdicts, int, error) {
	for {
		for i := len(l.held) - 1; i >= 0; i-- {
			if k, ok := l.held[i].Series.Grid.Index(t); ok {
				return &l.held[i], k, nil
			}
		}
		more, err := l.take()
		if err != nil {
			return nil, 0, err
		}
		if !more {
			return nil, 0, fmt.Errorf("no verdict for %s: this is a fault of foreshock", clock(t))
		}
	}
}

// take reads one more stretch.
func (l *lookup) take() (bool, error) {
	v, err, ok := l.next()
	if !ok || err != nil {
		return false, err
	}
	if !l.keep {
		l.held = l.held[:0]
	}
	l.held = append(l.held, v)
	if v.Calibration != (detect.Calibration{}) {
		l.promise = v.Calibration
	}
	if v.Floor.Samples > 0 {
		l.floor = v.Floor
	}
	if v.Choice.Reason != "" {
		l.choice = v.Choice
	}
	for _, e := range v.Episodes {
		l.tell(e)
	}
	return true, nil
}

// tell takes an episode. One near the edge of stretches is told by both: the later knows how it ended.
func (l *lookup) tell(e detect.Episode) {
	i := len(l.episodes)
	for i > 0 && l.episodes[i-1].Confirmed >= e.Confirmed {
		i--
	}
	if i < len(l.episodes) && l.episodes[i].Confirmed == e.Confirmed {
		l.episodes[i] = e
		return
	}
	l.episodes = slices.Insert(l.episodes, i, e)
}

// joined returns all stretches as one; the lookup must have kept them.
func joined(held []detect.Verdicts) detect.Verdicts {
	if len(held) == 1 {
		return held[0]
	}
	var all detect.Verdicts
	for i, v := range held {
		if i == 0 {
			all.Series = series.Series{Labels: v.Series.Labels, Grid: v.Series.Grid}
			all.Series.Grid.N = 0
		}
		all.Series.Grid.N += v.Series.Grid.N
		all.Series.Values = append(all.Series.Values, v.Series.Values...)
		all.Score = append(all.Score, v.Score...)
		all.Expected = append(all.Expected, v.Expected...)
		all.Lower = append(all.Lower, v.Lower...)
		all.Upper = append(all.Upper, v.Upper...)
		all.Onset = append(all.Onset, v.Onset...)
		all.Anomalous = append(all.Anomalous, v.Anomalous...)
		all.State = append(all.State, v.State...)
	}
	return all
}

// verdict is one row of output.
type verdict struct {
	stamp                                       []byte
	value, expected, lower, upper, score, onset float64
	anomalous                                   bool
	state                                       detect.State
	merged                                      bool
}

// stateMerged is the state of a row whose place another row has, in outputs.
const stateMerged = "merged"

// stateText is the state as outputs spell it.
func (v *verdict) stateText() string {
	if v.merged {
		return stateMerged
	}
	return v.state.String()
}

// blank takes away all that is told of the sample.
func (v *verdict) blank() {
	nan := math.NaN()
	v.score, v.onset, v.expected, v.lower, v.upper = nan, nan, nan, nan, nan
	v.anomalous, v.state = false, detect.Gap
}

// each calls f with one verdict for every row of the table, in its order. Missing numbers are NaN.
func (l *lookup) each(t *table, at *laid, f func(*verdict) error) error {
	l.states = map[detect.State]int{}
	for i := range t.n {
		place := at.place(t.time(i))
		v, k, err := l.at(at.set.Grid.At(place))
		if err != nil {
			return err
		}
		row := verdict{
			stamp: t.stamp(i), value: t.value(i, 0), expected: v.Expected[k], lower: v.Lower[k], upper: v.Upper[k],
			score: v.Score[k], onset: v.Onset[k], anomalous: v.Anomalous[k], state: v.State[k],
		}
		if math.IsNaN(row.value) && row.state != detect.Gap {
			// The place was filled by another row: a row without a sample has no verdict of its own.
			row.blank()
		}
		if row.merged = at.merged(t, i, place); row.merged {
			row.blank()
			l.merged++
		} else {
			l.states[row.state]++
		}
		if err := f(&row); err != nil {
			return err
		}
	}
	for {
		more, err := l.take()
		if err != nil || !more {
			return err
		}
	}
}

// newLookup starts taking verdicts; stop must be called.
func newLookup(from iter.Seq2[detect.Verdicts, error], keep bool) (l *lookup, stop func()) {
	next, stop := iter.Pull2(from)
	return &lookup{next: next, keep: keep}, stop
}

// workers is how many stretches or files are judged at once.
func workers() int { return runtime.GOMAXPROCS(0) }

// sortedStates returns the states that occurred, in their order.
func sortedStates(counts map[detect.State]int) []detect.State {
	var out []detect.State
	for _, s := range detect.States() {
		if counts[s] > 0 {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

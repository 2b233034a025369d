package detect

import (
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
)

// Policy turns scores into episodes: what is worth an alarm. It is an automaton with renewals: after R quiet samples it starts afresh, so
// that its state at a time is the same from wherever it was started.
type Policy struct {
	Direction string            `json:"direction" yaml:"direction" enum:"both,up,down" help:"Which side counts: above the band, below it, or both."`
	MinAbs    float64           `json:"min_abs" yaml:"min_abs" min:"0" help:"Smallest distance from the expected value that counts, in the unit of the series."`
	MinRel    float64           `json:"min_rel" yaml:"min_rel" min:"0" help:"Smallest distance from the expected value that counts, as a share of it: 0.1 is 10 %."`
	N         int               `json:"n" yaml:"n" min:"1" max:"1000" unit:"samples" help:"An episode is confirmed when n of the last m samples are abnormal."`
	M         int               `json:"m" yaml:"m" min:"1" max:"1000" unit:"samples" help:"The number of samples that n is counted in."`
	Recovery  float64           `json:"recovery" yaml:"recovery" min:"0" max:"1" help:"A sample is quiet when its score is below this level."`
	Recover   int               `json:"recover_samples" yaml:"recover_samples" min:"1" max:"10000" unit:"samples" help:"So many quiet samples in a row end an episode."`
	Horizon   registry.Duration `json:"horizon" yaml:"horizon" min:"60" max:"2678400" help:"What was abnormal for more than half of this time is the new level: it is shown as shifted and no longer alarms."`
	Absent    registry.Duration `json:"absent" yaml:"absent" min:"0" max:"604800" help:"A series that was there all day and is missing for so long is an episode. 0: its absence is shown, and no alarm: series of pods end with each rollout."`
	Mute      []string          `json:"mute" yaml:"mute" help:"Times without alarms, in the zone of the query, like 2026-10-01/2026-10-07, 12-25, sat/sun, sun 02:00/04:00 or daily 02:00/03:30. Scores are shown all the same."`
}

// DefaultPolicy returns the defaults: both sides, changes of at least 5 %, 3 of 5 samples, 5 quiet samples end an episode, one day at most.
func DefaultPolicy() Policy {
	return Policy{Direction: "both", MinRel: 0.05, N: 3, M: 5, Recovery: 0.8, Recover: 5, Horizon: registry.Day, Mute: []string{}}
}

// Validate reports settings that contradict each other.
func (p Policy) Validate() error {
	if p.N > p.M {
		return fmt.Errorf("parameter \"n\": got %d, want at most m, which is %d", p.N, p.M)
	}
	if _, err := season.ParseCalendar(p.Mute); err != nil {
		return fmt.Errorf("parameter \"mute\": %w", err)
	}
	if p.Absent > 0 && p.Absent < registry.Duration(clusterGapMillis*int64(time.Millisecond)) {
		return fmt.Errorf("parameter \"absent\": got %s, want 0 or at least 30m: shorter gaps are failed scrapes and restarts", p.Absent)
	}
	return nil
}

// Episode is one stretch of abnormal samples that the policy confirmed.
type Episode struct {
	// Began is the time of the first abnormal sample of the confirming window, Confirmed that of the sample that confirmed it, Ended that
	// of the first quiet sample after it, 0 while it is open. Milliseconds.
	Began, Confirmed, Ended int64
	// Peak is the highest score and PeakAt its time.
	Peak   float64
	PeakAt int64
	// Direction is "up" or "down" at the peak, or "absent" for a series that stopped.
	Direction string
	// Detector is the registered name of the detector that found it.
	Detector string
	// Evidence is what the days before say about the hour of the peak.
	Evidence Evidence
	// Samples is how many samples were abnormal.
	Samples int
	// Actual, Expected, Lower and Upper are the values at the peak.
	Actual, Expected, Lower, Upper float64
}

// run applies the policy to consecutive samples. It fills v.Onset and v.Anomalous and marks states as Shifted; the automaton starts in no
// known state, so that nothing is anomalous before its first renewal.
func (p Policy) run(s series.Series, r Result, v *Verdicts) []Episode {
	return p.start(s, r, v).run()
}

func (p Policy) start(s series.Series, r Result, v *Verdicts) *automaton {
	return &automaton{Policy: p, s: s, r: r, v: v, horizon: p.Horizon.Milliseconds(), hits: make([]bool, p.M)}
}

func (a *automaton) run() []Episode {
	for i := range a.s.Values {
		a.step(i)
	}
	if a.open {
		a.episodes = append(a.episodes, a.current)
	}
	return a.episodes
}

// automaton is the policy in motion.
type automaton struct {
	Policy
	s       series.Series
	r       Result
	v       *Verdicts
	horizon int64

	renewed   bool   // a renewal was seen
	renewedAt int64  // and when
	calm      streak // quiet samples in a row
	gap       streak // missing samples in a row
	hits      []bool
	seen      int // samples counted since the renewal
	open      bool
	current   Episode
	episodes  []Episode
}

// streak is a number of samples in a row, and the time of the first.
type streak struct {
	n    int
	from int64
}

// next counts a sample at t that belongs to the streak, or ends it.
func (r *streak) next(t int64, belongs bool) {
	switch {
	case !belongs:
		r.n = 0
	case r.n == 0:
		r.n, r.from = 1, t
	default:
		r.n++
	}
}

func (a *automaton) step(i int) {
	t := a.s.Grid.At(i)
	score, state := a.r.Score[i], a.r.State[i]
	missing := score != score && state != Constant
	a.gap.next(t, missing)
	a.calm.next(t, !missing && !(score >= a.Recovery && a.wanted(i)))
	switch {
	case a.calm.n >= a.Recover:
		a.renew(t, a.calm.from)
	case a.gap.n >= a.outage(a.s.Grid.Step):
		a.renew(t, a.gap.from)
	}
	if !a.renewed || t-a.renewedAt > a.horizon {
		a.expire(t)
		if state == OK {
			a.v.State[i] = Shifted
		}
		return
	}
	if score != score {
		// A gap neither confirms nor refutes: an open episode stays open over it, but says nothing at it.
		return
	}
	a.count(i, t, score)
}

// outage returns how many missing samples in a row end what was before them: the time that separates episodes. A failed scrape is less.
func (p Policy) outage(step int64) int { return max(p.Recover, int(clusterGapMillis/step)) }

// renew ends what is open, as of the given time, and forgets everything.
func (a *automaton) renew(t, ended int64) {
	a.renewed, a.renewedAt = true, t
	a.seen = 0
	clear(a.hits)
	if a.open {
		a.current.Ended = ended
		a.episodes = append(a.episodes, a.current)
		a.open = false
	}
}

// expire ends an episode that outlived the horizon.
func (a *automaton) expire(t int64) {
	if a.open {
		a.current.Ended = t
		a.episodes = append(a.episodes, a.current)
		a.open = false
	}
}

func (a *automaton) count(i int, t int64, score float64) {
	hit := a.hit(i)
	a.hits[a.seen%a.M] = hit
	a.seen++
	if !a.open && hit {
		n := 0
		for _, h := range a.hits {
			if h {
				n++
			}
		}
		if n >= a.N {
			a.confirm(i, t)
		}
	} else if a.open && hit {
		a.current.Samples++
	}
	if a.open {
		if hit && score > a.current.Peak {
			a.peak(i)
		}
		a.v.Anomalous[i] = true
	}
}

// confirm opens an episode at sample i; its beginning is the first abnormal sample among the last M counted.
func (a *automaton) confirm(i int, t int64) {
	a.open = true
	a.current = Episode{Confirmed: t, Peak: math.Inf(-1)}
	left := min(a.seen, a.M)
	for k := i; k >= 0 && left > 0; k-- {
		if x := a.r.Score[k]; x != x {
			continue
		}
		left--
		if a.hit(k) {
			a.current.Began = a.s.Grid.At(k)
			a.current.Samples++
			if a.r.Score[k] >= a.current.Peak {
				a.peak(k)
			}
		}
	}
	a.v.Onset[i] = a.current.Peak
}

func (a *automaton) peak(i int) {
	e := &a.current
	e.Peak, e.PeakAt = a.r.Score[i], a.s.Grid.At(i)
	e.Actual, e.Expected, e.Lower, e.Upper = a.s.Values[i], a.r.Expected[i], a.r.Lower[i], a.r.Upper[i]
	e.Direction = "up"
	if e.Actual < e.Expected {
		e.Direction = "down"
	}
}

// hit reports whether sample i counts as abnormal.
func (a *automaton) hit(i int) bool { return a.r.Score[i] >= 1 && a.wanted(i) }

// wanted reports whether the deviation of sample i has the wanted direction and size, and is not the new level.
func (a *automaton) wanted(i int) bool {
	if a.r.State[i] == Shifted || a.r.State[i] == Muted {
		return false
	}
	d := a.s.Values[i] - a.r.Expected[i]
	switch a.Direction {
	case "up":
		if !(d > 0) {
			return false
		}
	case "down":
		if !(d < 0) {
			return false
		}
	}
	d = math.Abs(d)
	// Not >=, so that a model without an expected value (NaN) is judged by its score alone.
	return !(d < a.MinAbs) && !(d < a.MinRel*math.Abs(a.r.Expected[i]))
}

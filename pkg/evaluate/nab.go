package evaluate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Profile is one application profile of NAB: what a hit, a miss and a false alarm weigh.
type Profile struct {
	Name                  string
	Hit, Miss, FalseAlarm float64
}

// The profiles of NAB, in the order of tables.
const (
	Standard = "standard"
	LowFP    = "reward_low_FP_rate"
	LowFN    = "reward_low_FN_rate"
)

// NAB holds the scores of several files, of which one threshold over all makes alarms: an early hit in a window counts most, a second one nothing, an alarm outside
// costs the more the farther behind a window it comes. Rows in probation are not scored. 0 is what no alarm at all gets, 100 what the earliest hit in every window gets.
//
// Source: Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms – the Numenta Anomaly Benchmark, ICMLA 2015, doi:10.1109/ICMLA.2015.141, profiles of
// NAB 1.1.
type NAB struct {
	files   []Labelled
	rows    []nabRow // highest score first
	windows int
	weeks   float64
}

// nabRow is one scored row: what it is worth before weights, and its window among those of all files, −1 outside.
type nabRow struct {
	score, gain  float64
	file, window int32
}

// NewNAB sorts the scores; scores[f][i] belongs to row i of file f. NaN counts as 0.
func NewNAB(files []Labelled, scores [][]float64) NAB {
	n := NAB{files: files}
	for f, file := range files {
		if len(scores[f]) != len(file.Values) {
			panic(fmt.Sprintf("evaluate: %d scores for the %d rows of %s", len(scores[f]), len(file.Values), file.Name))
		}
		for i, w := range worths(file) {
			if i < file.Probation {
				continue
			}
			r := nabRow{score: finite(scores[f][i]), gain: w.gain, file: int32(f), window: -1}
			if w.window >= 0 {
				r.window = int32(n.windows + w.window)
			}
			n.rows = append(n.rows, r)
		}
		n.windows += len(file.Events)
		n.weeks += float64(len(file.Values)-file.Probation) * float64(file.Step) / weekMillis
	}
	slices.SortStableFunc(n.rows, func(a, b nabRow) int { return cmp.Compare(b.score, a.score) })
	return n
}

// finite is what the reference scorer makes of numbers that are none.
func finite(x float64) float64 {
	switch {
	case x != x:
		return 0
	case math.IsInf(x, 0):
		return math.Copysign(math.MaxFloat64, x)
	}
	return x
}

// sigmoid is NAB's scaled sigmoid, from 1 through 0 to −1.
func sigmoid(x float64) float64 { return 2/(1+math.Exp(5*x)) - 1 }

// worth is what an alarm at a row counts, and the window that the row lies in, −1 outside.
type worth struct {
	gain   float64
	window int
}

// worths returns the worth of every row of a file.
func worths(f Labelled) []worth {
	out := make([]worth, len(f.Values))
	k := 0 // windows that begin at or before i
	for i := range out {
		for k < len(f.Events) && f.Events[k].First <= i {
			k++
		}
		out[i] = worth{-1, -1}
		if k == 0 {
			continue
		}
		w := f.Events[k-1]
		if i <= w.Last {
			out[i] = worth{sigmoid(-float64(w.Last-i+1)/float64(w.Last-w.First+1)) / sigmoid(-1), k - 1}
			continue
		}
		if behind := float64(i-w.Last) / float64(w.Last-w.First); behind <= 3 {
			out[i].gain = sigmoid(behind)
		}
	}
	return out
}

// point of a curve: the raw score when every row with at least that score is an alarm, and how many alarms that are.
type point struct {
	threshold, raw float64
	alarms         int
}

// curve returns the points of all thresholds, from no to all alarms, over the files that are wanted.
func (n NAB) curve(p Profile, wanted func(file int32) bool) []point {
	best := make([]float64, n.windows) // what each window has gained: a miss before the first hit
	for w := range best {
		best[w] = -p.Miss
	}
	raw := 0.0
	seen := make([]bool, n.windows)
	for _, r := range n.rows {
		if r.window >= 0 && wanted(r.file) && !seen[r.window] { // a window within the probation is no miss
			seen[r.window] = true
			raw -= p.Miss
		}
	}
	out := []point{{threshold: math.Inf(1), raw: raw}}
	alarms := 0
	for _, r := range n.rows {
		if !wanted(r.file) {
			continue
		}
		alarms++
		if r.window < 0 {
			raw += r.gain * p.FalseAlarm
		} else if g := r.gain * p.Hit; g > best[r.window] {
			raw += g - best[r.window]
			best[r.window] = g
		}
		now := point{r.score, raw, alarms}
		if k := len(out) - 1; out[k].threshold == r.score {
			out[k] = now
		} else {
			out = append(out, now)
		}
	}
	return out
}

func all(int32) bool { return true }

// scaled puts a raw score on the scale of 0 to 100.
func (n NAB) scaled(p Profile, raw float64) float64 {
	null, perfect := -p.Miss*float64(n.windows), p.Hit*float64(n.windows)
	return 100 * (raw - null) / (perfect - null)
}

// Best returns the highest score over all thresholds, and that threshold: chosen with the labels, as NAB itself does.
func (n NAB) Best(p Profile) (score, threshold float64) {
	best := highest(n.curve(p, all))
	return n.scaled(p, best.raw), best.threshold
}

func highest(curve []point) point {
	best := curve[0]
	for _, p := range curve {
		if p.raw > best.raw {
			best = p
		}
	}
	return best
}

// At returns the score at a threshold, and how many alarms a week that gives.
func (n NAB) At(p Profile, threshold float64) (score, rate float64) {
	q := at(n.curve(p, all), threshold)
	return n.scaled(p, q.raw), float64(q.alarms) / n.weeks
}

// at returns the last point whose threshold is not below the given one.
func at(curve []point, threshold float64) point {
	k, _ := slices.BinarySearchFunc(curve, threshold, func(p point, t float64) int {
		if p.threshold >= t {
			return -1
		}
		return 1
	})
	return curve[max(k-1, 0)]
}

// LeaveOut returns the score when every file is judged at the threshold that is best for all the others: no threshold has seen the labels of the file it judges.
// It also returns how many alarms a week that gives.
func (n NAB) LeaveOut(p Profile) (score, rate float64) {
	raw, alarms := 0.0, 0
	for f := range n.files {
		left := int32(f)
		t := highest(n.curve(p, func(file int32) bool { return file != left })).threshold
		q := at(n.curve(p, func(file int32) bool { return file == left }), t)
		raw += q.raw
		alarms += q.alarms
	}
	return n.scaled(p, raw), float64(alarms) / n.weeks
}

// AtMost returns the score at the lowest threshold that lets through at most so many alarms a week, over all files together, and how many that are. An alarm is a row
// that reaches the threshold; the weeks are those of the rows behind the probation. No label is used to choose.
func (n NAB) AtMost(p Profile, perWeek float64) (score, rate float64) {
	last := point{}
	for _, q := range n.curve(p, all) {
		if float64(q.alarms) > perWeek*n.weeks {
			break
		}
		last = q
	}
	return n.scaled(p, last.raw), float64(last.alarms) / n.weeks
}

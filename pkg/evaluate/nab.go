package evaluate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
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

func loadNAB(dir string, l layout, limit int) (Set, error) {
	var set Set
	var err error
	if set.Profiles, err = loadProfiles(filepath.Join(dir, "profiles.json")); err != nil {
		return Set{}, err
	}
	raw, err := readAll(filepath.Join(dir, "windows.json"))
	if err != nil {
		return Set{}, err
	}
	var meta map[string]struct {
		Rows    int      `json:"rows"`
		Windows [][2]int `json:"windows"`
	}
	if err := json.Unmarshal(raw, &meta); err != nil {
		return Set{}, fmt.Errorf("%s/windows.json: %w", dir, err)
	}
	names, err := list(dir, ending)
	if err != nil {
		return Set{}, err
	}
	for _, name := range names {
		if limit > 0 && len(set.Series) == limit {
			break
		}
		one, err := loadSeries(dir, name, l)
		if err != nil {
			return Set{}, err
		}
		m, ok := meta[name]
		if !ok || m.Rows != len(one.Values) {
			return Set{}, fmt.Errorf("%s/windows.json: %s: got %d rows, want %d", dir, name, m.Rows, len(one.Values))
		}
		for _, w := range m.Windows {
			one.Events = append(one.Events, Range{w[0], w[1]})
		}
		one.Probation = probation(len(one.Values))
		one.Buffer = Period(one.Values)
		set.Series = append(set.Series, one)
	}
	return set, nil
}

// probation is how many first rows NAB does not score: 15 % of the file, of 5,000 rows at most.
func probation(rows int) int { return min(int(0.15*float64(rows)), 750) }

func loadProfiles(path string) ([]Profile, error) {
	raw, err := readAll(path)
	if err != nil {
		return nil, err
	}
	var all map[string]struct {
		CostMatrix struct {
			TP float64 `json:"tpWeight"`
			FN float64 `json:"fnWeight"`
			FP float64 `json:"fpWeight"`
		}
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var out []Profile
	for _, name := range []string{Standard, LowFP, LowFN} {
		p, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("%s: profile %s is missing", path, name)
		}
		out = append(out, Profile{Name: name, Hit: p.CostMatrix.TP, Miss: p.CostMatrix.FN, FalseAlarm: p.CostMatrix.FP})
	}
	return out, nil
}

// NAB scores alarms of several files by one threshold over all: an early hit in a window counts most, a second one nothing, an alarm outside costs the more the
// farther behind a window it comes. Rows in probation are not scored. 0 is what no alarm at all gets, 100 what the earliest hit in every window gets.
//
// Source: Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms – the Numenta Anomaly Benchmark, ICMLA 2015, doi:10.1109/ICMLA.2015.141, profiles of
// NAB 1.1.
type NAB struct {
	files   []Labelled
	profile Profile
}

// NewNAB returns the scorer of these files under a profile.
func NewNAB(files []Labelled, p Profile) NAB { return NAB{files, p} }

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

// point of a curve: the raw score of all files when every row with at least that score is an alarm, and how many alarms that are.
type point struct {
	threshold, raw float64
	alarms         int
}

// curve returns the points of all thresholds, from none to all alarms.
func (n NAB) curve(scores [][]float64, skip int) []point {
	type row struct {
		score, gain float64
		window      int32
	}
	var all []row
	var best []float64 // what each window has gained; a miss before the first hit
	null := 0.0
	for f, file := range n.files {
		if f == skip {
			continue
		}
		base := len(best)
		seen := make([]bool, len(file.Events))
		for i, w := range worths(file) {
			if i < file.Probation {
				continue
			}
			r := row{score: finite(scores[f][i]), gain: w.gain * n.profile.FalseAlarm, window: -1}
			if w.window >= 0 {
				r.gain, r.window = w.gain*n.profile.Hit, int32(base+w.window)
				seen[w.window] = true
			}
			all = append(all, r)
		}
		for _, s := range seen {
			best = append(best, -n.profile.Miss)
			if s {
				null -= n.profile.Miss
			}
		}
	}
	slices.SortStableFunc(all, func(a, b row) int { return cmp.Compare(b.score, a.score) })
	out := []point{{threshold: math.Inf(1), raw: null}}
	raw := null
	for i, r := range all {
		if r.window < 0 {
			raw += r.gain
		} else if b := best[r.window]; r.gain > b {
			raw += r.gain - b
			best[r.window] = r.gain
		}
		if i+1 == len(all) || all[i+1].score != r.score {
			out = append(out, point{r.score, raw, i + 1})
		}
	}
	return out
}

func finite(x float64) float64 {
	switch {
	case x != x:
		return 0
	case math.IsInf(x, 0):
		return math.Copysign(math.MaxFloat64, x)
	}
	return x
}

// scaled puts a raw score on the scale of 0 to 100.
func (n NAB) scaled(raw float64) float64 {
	windows := 0
	for _, f := range n.files {
		windows += len(f.Events)
	}
	null, perfect := -n.profile.Miss*float64(windows), n.profile.Hit*float64(windows)
	return 100 * (raw - null) / (perfect - null)
}

// Best returns the highest score over all thresholds, and that threshold: chosen with the labels, as NAB itself does. scores[f][i] belongs to row i of file f.
func (n NAB) Best(scores [][]float64) (score, threshold float64) {
	best := highest(n.curve(scores, -1))
	return n.scaled(best.raw), best.threshold
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

// At returns the score at a threshold.
func (n NAB) At(scores [][]float64, threshold float64) float64 {
	return n.scaled(at(n.curve(scores, -1), threshold).raw)
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
func (n NAB) LeaveOut(scores [][]float64) float64 {
	raw := 0.0
	for f := range n.files {
		t := highest(n.curve(scores, f)).threshold
		one := NAB{n.files[f : f+1], n.profile}
		raw += at(one.curve(scores[f:f+1], -1), t).raw
	}
	return n.scaled(raw)
}

// AtMost returns the score at the lowest threshold that lets through at most so many alarms a week, over all files together, and how many that are. An alarm is a row
// that reaches the threshold; the weeks are those of the rows behind the probation. No label is used to choose.
func (n NAB) AtMost(scores [][]float64, perWeek float64) (score, rate float64) {
	weeks := n.weeks()
	last := point{threshold: math.Inf(1)}
	for _, p := range n.curve(scores, -1) {
		if float64(p.alarms) > perWeek*weeks {
			break
		}
		last = p
	}
	return n.scaled(last.raw), float64(last.alarms) / weeks
}

// Rate returns how many alarms a week a threshold gives.
func (n NAB) Rate(scores [][]float64, threshold float64) float64 {
	return float64(at(n.curve(scores, -1), threshold).alarms) / n.weeks()
}

// week in milliseconds.
const week = 7 * 24 * 60 * 60 * 1000

func (n NAB) weeks() float64 {
	sum := 0.0
	for _, f := range n.files {
		sum += float64(len(f.Values)-f.Probation) * float64(f.Step) / week
	}
	return sum
}

package evaluate

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// budgetParam is the parameter that every detector with a calibrated threshold has.
const budgetParam = "budget"

// BudgetOf returns the noise budget of a detector of any kind in episodes a week and series; false when it has none.
func BudgetOf(d any) (float64, bool) {
	for _, p := range registry.ParamsOf(d) {
		if x, ok := p.Default.(float64); ok && p.Name == budgetParam {
			return x, true
		}
	}
	return 0, false
}

// ErrNothingJudged is returned where no sample had a verdict, so that nothing can be said of a setting.
var ErrNothingJudged = errors.New("no sample could be judged: all are gaps, or there is less history before them than the detector needs")

// Setting is one setting that was tried and how noisy it was over all series.
type Setting struct {
	// Budget is the detector's noise budget, NaN where it has none; N, M and MinRel are of the policy.
	Budget float64
	N, M   int
	MinRel float64
	// Episodes is how many were false, over Exposure weeks of series; PerWeek their mean a week and series, Low and High its 95 % interval.
	Episodes           int
	Exposure           float64
	PerWeek, Low, High float64
	// Hits of Incidents were found.
	Hits, Incidents int
	// Judge has the setting in force.
	Judge Judge
}

// Searched is the outcome of a search.
type Searched struct {
	// Tried is every setting that was replayed, in order, and Best the index of the chosen one: the most sensitive that keeps to the wanted rate, or where none does the quietest.
	Tried []Setting
	Best  int
	// Met says whether the chosen one keeps to it.
	Met bool
}

// Chosen returns the chosen setting.
func (s Searched) Chosen() Setting { return s.Tried[s.Best] }

const (
	// searchSteps bounds how often the budget is halved or doubled: a factor of 64 either way.
	searchSteps = 6
	// leastBudget and mostBudget are what detectors take.
	leastBudget, mostBudget = 0.01, 1000
)

// rarer are rules that ask for longer episodes, and larger for larger changes: what is tried when the threshold alone does not do.
var (
	rarer  = [][2]int{{5, 8}, {8, 12}, {12, 18}, {20, 30}}
	larger = []float64{0.1, 0.2, 0.3, 0.5, 1}
)

// Search finds the setting that raises at most perWeek false episodes a week and series in the mean: the detector's budget first, then n of m, then the smallest
// relative change. It chooses on the replayed range itself, so that what it finds is to be checked on another: the interval tells how sure the rate is.
func (r Replay) Search(ctx context.Context, all []Case, perWeek float64) (Searched, error) {
	f := finder{Replay: r, ctx: ctx, all: all, want: perWeek}
	budget := math.NaN()
	_, has := BudgetOf(r.Judge.Options())
	if has {
		budget = min(max(perWeek, leastBudget), mostBudget)
	}
	p := r.Judge.Policy
	found, err := f.try(budget, p)
	if err == nil && has {
		found, err = f.budgets(budget, found, p)
	}
	if has && !found {
		budget = max(perWeek/4, leastBudget)
	}
	for _, nm := range rarer {
		if err != nil || found {
			break
		}
		if nm[0] > p.N && int64(nm[1]+p.Recover)*r.Judge.Walk.Step.Milliseconds() <= p.Horizon.Milliseconds() {
			p.N, p.M = nm[0], nm[1]
			found, err = f.try(budget, p)
		}
	}
	for _, rel := range larger {
		if err != nil || found {
			break
		}
		if rel > p.MinRel {
			p.MinRel = rel
			found, err = f.try(budget, p)
		}
	}
	if err != nil {
		return Searched{}, err
	}
	return f.outcome(), nil
}

// finder is a search under way.
type finder struct {
	Replay
	ctx   context.Context
	all   []Case
	want  float64
	tried []Setting
}

// budgets halves or doubles the budget until the rate crosses what is wanted, and tries the middle of the last step.
func (f *finder) budgets(budget float64, quiet bool, p detect.Policy) (found bool, err error) {
	factor := 0.5
	if quiet {
		factor = 2
	}
	good, bad := math.NaN(), math.NaN()
	if quiet {
		good = budget
	} else {
		bad = budget
	}
	for range searchSteps {
		next := budget * factor
		if next < leastBudget || next > mostBudget {
			break
		}
		budget = next
		ok, err := f.try(budget, p)
		if err != nil {
			return false, err
		}
		if ok {
			good = budget
		} else {
			bad = budget
		}
		if ok != quiet {
			break
		}
	}
	if good == good && bad == bad {
		if _, err := f.try(math.Sqrt(good*bad), p); err != nil {
			return false, err
		}
	}
	return good == good, nil
}

// try replays one setting and reports whether it keeps to what is wanted.
func (f *finder) try(budget float64, p detect.Policy) (bool, error) {
	r := f.Replay
	r.Judge.Policy = p
	s := Setting{Budget: budget, N: p.N, M: p.M, MinRel: p.MinRel}
	if budget == budget {
		s.Budget = tidy(budget)
		var err error
		if r.Judge, err = r.Judge.withBudget(s.Budget); err != nil {
			return false, err
		}
	}
	s.Judge = r.Judge
	var mu sync.Mutex
	err := r.All(f.ctx, f.all, func(_ int, one Replayed) {
		mu.Lock()
		defer mu.Unlock()
		s.Episodes += one.False()
		s.Exposure += one.Exposure
		s.Incidents += len(one.Incidents)
		for _, x := range one.Incidents {
			if x.Hit {
				s.Hits++
			}
		}
	})
	if err != nil {
		return false, err
	}
	if s.Exposure == 0 {
		return false, ErrNothingJudged
	}
	s.PerWeek = float64(s.Episodes) / s.Exposure
	s.Low, s.High = RateInterval(s.Episodes, s.Exposure)
	f.tried = append(f.tried, s)
	return f.keeps(s), nil
}

// slack is the share by which a rate may exceed what is wanted: a few samples without a verdict are not to make one episode in two weeks more than half a one a week.
const slack = 0.01

// keeps reports whether a setting keeps to the wanted rate.
func (f *finder) keeps(s Setting) bool { return s.PerWeek <= f.want*(1+slack) }

// tidy keeps a number to two digits: what is printed is what was tried.
func tidy(x float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Round(x/unit) * unit
}

// outcome chooses among what was tried: of those that keep to the rate the one with most hits, then with the most episodes, then with the largest budget.
func (f *finder) outcome() Searched {
	out := Searched{Tried: f.tried}
	rank := func(s Setting) [4]float64 {
		if f.keeps(s) {
			return [4]float64{1, float64(s.Hits), s.PerWeek, s.Budget}
		}
		return [4]float64{0, -s.PerWeek}
	}
	for i, s := range f.tried {
		a, b := rank(s), rank(f.tried[out.Best])
		if slices.Compare(a[:], b[:]) > 0 {
			out.Best = i
		}
	}
	out.Met = len(f.tried) > 0 && f.keeps(f.tried[out.Best])
	return out
}

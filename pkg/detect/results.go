package detect

import (
	"container/list"
	"fmt"
	"math"

	"github.com/foreshock/foreshock/pkg/series"
)

// scored is what a model said of the samples from its anchor on, up to the next one.
type scored struct {
	key fitKey
	// r has one entry for each of the samples.
	r Result
	// begun is the time from which on abnormal samples have limits, limited that from which on all have; math.MinInt64 where none lack them.
	begun, limited int64
	// What the model promises and how it compares, where it tells, and what it chose.
	promise *Calibration
	floor   *Comparison
	choice  Choice
}

// bytes is about what it takes to keep.
func (s *scored) bytes() int64 { return 2*overhead + 33*int64(len(s.r.Score)) }

// results are scored stretches, the latest used of them.
type results struct {
	limit, used int64
	known       map[fitKey]*list.Element // of *scored
	order       *list.List               // front: most recently used
}

// WithResults returns the cache made to keep also what fits said of the samples from one anchor to the next, in at most so many bytes besides: a panel that is drawn again asks
// for the same. It is for the maker of the cache, before anybody uses it.
func (f *Fits) WithResults(limit int64) *Fits {
	f.results = &results{limit: limit, known: map[fitKey]*list.Element{}, order: list.New()}
	return f
}

func (r *results) remove(e *list.Element) {
	s := e.Value.(*scored)
	r.order.Remove(e)
	delete(r.known, s.key)
	r.used -= s.bytes()
}

// scored returns what is kept under the key, if its limits reach back as far as begun and limited say; nil else. Nobody may change it.
func (f *Fits) scored(key fitKey, begun, limited int64) *scored {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.results.known[key]
	if !ok {
		return nil
	}
	s := e.Value.(*scored)
	if s.begun > begun || s.limited > limited {
		return nil
	}
	f.results.order.MoveToFront(e)
	f.stats.Hits++
	return s
}

// keep keeps what was scored.
func (f *Fits) keep(s *scored) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.results
	if e, ok := r.known[s.key]; ok {
		r.remove(e)
	}
	r.known[s.key] = r.order.PushFront(s)
	for r.used += s.bytes(); r.used > r.limit; {
		r.remove(r.order.Back())
	}
}

// keepable reports whether the samples up to j of the window end with their stretch: an unfinished one grows with every query. What is judged against another past is changed
// for a test, and nobody asks for it again.
func (w *walker) keepable(j int) bool {
	return w.Fits != nil && w.Fits.results != nil && j < w.window.Grid.N && !w.changed
}

// scoredKey is that of all that the results of a stretch depend on: what the fit does, and the samples that it is asked about.
func (w *walker) scoredKey(train, part series.Series, before, recent int) (fitKey, error) {
	k := w.Judge.fitted(Train{Series: train, Zone: w.loc, N: w.Policy.N, M: w.Policy.M})
	k.kind = fmt.Sprintf("scored %d %d %d %d %d", part.Grid.Start, part.Grid.N, before, recent, w.Limits)
	k.values = append(k.values, part.Values)
	return w.Fits.key(k)
}

// limitsFrom returns from when on abnormal samples, and all, get limits when samples from i on are judged.
func (w *walker) limitsFrom(model any, i int) (begun, limited int64) {
	if _, ok := model.(bounded); !ok {
		return math.MinInt64, math.MinInt64
	}
	begun = w.window.Grid.At(i)
	if w.Limits != LimitsShown {
		return begun, math.MinInt64
	}
	return begun, max(begun, w.window.Grid.At(w.shown))
}

// recall takes samples [i, j) of the window from what was kept, and reports whether it was.
func (w *walker) recall(key fitKey, i, j int) bool {
	begun := w.window.Grid.At(i)
	s := w.Fits.scored(key, begun, max(begun, w.window.Grid.At(w.shown)))
	if s == nil {
		return false
	}
	if s.promise != nil {
		w.promise = *s.promise
	}
	if s.floor != nil {
		w.floor = *s.floor
	}
	w.choice = s.choice
	w.copy(s.r, i, j)
	return true
}

// retain keeps what a model made of the samples from its anchor on, the last of which is before sample j; the first of r are its recent past.
func (w *walker) retain(key fitKey, model any, r Result, recent, i int) {
	n := len(r.Score) - recent
	own := NewResult(n)
	copy(own.Score, r.Score[recent:])
	copy(own.Expected, r.Expected[recent:])
	copy(own.Lower, r.Lower[recent:])
	copy(own.Upper, r.Upper[recent:])
	copy(own.State, r.State[recent:])
	s := &scored{key: key, r: own, choice: w.choice}
	if c, ok := model.(Calibrated); ok {
		promise := c.Calibration()
		s.promise = &promise
	}
	if c, ok := model.(Compared); ok {
		floor := c.Floor()
		s.floor = &floor
	}
	s.begun, s.limited = w.limitsFrom(model, i)
	w.Fits.keep(s)
}

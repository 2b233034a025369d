package logs

import (
	"fmt"

	"github.com/foreshock/foreshock/pkg/wire"
)

// Learner judges the sessions of one source as they close. The first ones are learnt; from then on each is judged, and what is ordinary goes on being learnt:
// the model is fitted anew after every so many. It is not safe for concurrent use.
type Learner struct {
	name    string
	d       SequenceDetector
	learn   int
	window  [][]ID // the latest ordinary sessions, a ring once it is full
	next    int
	fresh   int // learnt since the last fit
	model   SequenceModel
	fitting error
}

// DefaultLearn is how many sessions are learnt before the first is judged.
const DefaultLearn = 500

// NewLearner takes a detector's name and its options (nil: the defaults), and how many sessions are learnt before the first verdict and kept for the next fits.
func NewLearner(name string, d SequenceDetector, learn int) (*Learner, error) {
	if learn < minSessions || learn > 100_000 {
		return nil, fmt.Errorf("learn: got %d, want %d to 100000", learn, minSessions)
	}
	if d == nil {
		var err error
		if d, err = Sequences.New(name, nil); err != nil {
			return nil, err
		}
	}
	return &Learner{name: name, d: d, learn: learn}, nil
}

// Judge returns the verdict on a session; false while it learns.
func (l *Learner) Judge(events []ID) (Verdict, bool) {
	var v Verdict
	judged := l.model != nil
	if judged {
		if v = l.model.Score(events); v.Anomalous() {
			return v, true
		}
	}
	if len(l.window) < l.learn {
		l.window = append(l.window, events)
	} else {
		l.window[l.next] = events
		l.next = (l.next + 1) % l.learn
	}
	if l.fresh++; l.fresh >= l.learn {
		l.fit()
	}
	return v, judged
}

func (l *Learner) fit() {
	l.fresh = 0
	m, err := l.d.Fit(l.window)
	if l.fitting = err; err == nil {
		l.model = m
	}
}

// Learning reports whether there is no model yet, and the error of the latest fit, if it failed.
func (l *Learner) Learning() (bool, error) { return l.model == nil, l.fitting }

// Rename gives the events of what was learnt the ids that their templates have now, and fits anew: without it a template that generalised would be a new event.
// Call it after a Match that Moved.
func (l *Learner) Rename(resolve func(ID) ID) {
	changed := false
	for _, s := range l.window {
		for i, e := range s {
			if to := resolve(e); to != e {
				s[i] = to
				changed = true
			}
		}
	}
	if changed && l.model != nil {
		fresh := l.fresh
		l.fit()
		l.fresh = fresh
	}
}

// Flow returns the graph of the sessions that were learnt, see FlowOf.
func (l *Learner) Flow(least float64) Flow { return FlowOf(l.window, least) }

// learnerLayout names the form of the state.
const learnerLayout = "foreshock sessions 1"

// Marshal returns what was learnt.
func (l *Learner) Marshal() []byte {
	w := wire.Writer{}.Text(learnerLayout).Text(l.name).Ints(int64(l.next), int64(l.fresh), int64(len(l.window)))
	for _, s := range l.window {
		w = w.Ints(int64(len(s)))
		for _, e := range s {
			w = w.Ints(int64(e))
		}
	}
	return w
}

// Restore puts back what Marshal returned, of a learner of the same detector, and fits the model again. On an error the learner is as it was.
func (l *Learner) Restore(state []byte) error {
	r := wire.NewReader(state)
	if layout, name := r.Text(), r.Text(); layout != learnerLayout || name != l.name {
		return fmt.Errorf("log sessions: state of another version or detector: %w", wire.ErrCorrupt)
	}
	next, fresh := int(r.Int()), int(r.Int())
	var window [][]ID
	for n := r.Int(); n > 0; n-- {
		k := r.Int()
		if k < 0 || k > int64(len(state)/8) {
			r.Fail()
			break
		}
		s := make([]ID, k)
		for i := range s {
			s[i] = ID(r.Int())
		}
		window = append(window, s)
		if len(window) > len(state)/8 {
			r.Fail()
			break
		}
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("log sessions: %w", err)
	}
	full := len(window) >= l.learn
	if len(window) > l.learn {
		window, next = window[len(window)-l.learn:], 0
	}
	if next < 0 || next >= l.learn || fresh < 0 || fresh > l.learn {
		return fmt.Errorf("log sessions: %w", wire.ErrCorrupt)
	}
	if len(window) < l.learn {
		next = 0
	}
	l.window, l.next, l.fresh = window, next, fresh
	if full {
		l.fit()
		l.fresh = fresh
	}
	return nil
}

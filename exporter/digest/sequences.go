package digest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/logs"
)

// SequenceFigures are what sessions have come to.
type SequenceFigures struct {
	// Normal and Abnormal sessions were judged; Unjudged ones were learnt from before there was a model.
	Normal, Abnormal, Unjudged uint64
	Open                       int
	Flow                       []Step // sorted
	OverFlow                   uint64 // steps that have no series because there are more than allowed
	// Recent are the last sessions that took an unusual path, the newest first.
	Recent []Abnormal
	// Paths is the graph of the usual paths; not saved.
	Paths logs.Flow `json:"-"`
}

// Step is how often one template followed another in ordinary sessions. From is "begin" and To is "end" at the ends.
type Step struct {
	From, To string
	Count    uint64
}

// Abnormal is a session that took an unusual path. Secrets are masked.
type Abnormal struct {
	Key         string
	Score       float64
	At          int // the index of the unusual step; the number of lines: what usually comes did not come
	Lines       []string
	First, Last time.Time
	Why         logs.Closing
}

// Bounds of what is kept of sessions.
const (
	maxFlow    = 300
	maxRecent  = 20
	recentRows = 50 // lines of one of them
	leastShare = 0.01
)

// sessions judges the order of messages.
type sessions struct {
	o       *Sequences
	open    *logs.Sessions
	learner *logs.Learner
	resolve func(logs.ID) logs.ID
	flow    map[[2]string]uint64
	moved   bool
	paths   logs.Flow
	fresh   bool // sessions were learnt since paths were drawn
}

func newSessions(o *Sequences, resolve func(logs.ID) logs.ID) (*sessions, error) {
	open, err := logs.NewSessions(o.options())
	if err != nil {
		return nil, err
	}
	learner, err := logs.NewLearner(o.Model, nil, o.Train)
	if err != nil {
		return nil, err
	}
	return &sessions{o: o, open: open, learner: learner, resolve: resolve, flow: map[[2]string]uint64{}}, nil
}

func (q *Sequences) options() logs.SessionOptions {
	o := logs.DefaultSessionOptions()
	o.Key, o.End, o.Idle, o.MaxEvents, o.MaxSessions = q.Key, q.End, q.Idle, q.MaxLength, q.MaxOpen
	return o
}

// take puts a message into its session, and judges what is over with it.
func (s *sessions) take(text []byte, id logs.ID, now time.Time, f *SequenceFigures) {
	for _, c := range s.open.Add(text, id, now) {
		s.judge(c, f)
	}
}

// expire judges the sessions that were idle for too long, and reports whether there were some.
func (s *sessions) expire(now time.Time, f *SequenceFigures) bool {
	closed := s.open.Expire(now)
	for _, c := range closed {
		s.judge(c, f)
	}
	return len(closed) > 0
}

func (s *sessions) judge(c logs.Session, f *SequenceFigures) {
	for i, id := range c.Events {
		c.Events[i] = s.resolve(id) // templates may have become others since
	}
	v, judged := s.learner.Judge(c.Events)
	switch {
	case !judged:
		f.Unjudged++
	case v.Anomalous():
		f.Abnormal++
		lines := c.Lines
		if len(lines) > recentRows {
			from := min(max(v.Step-recentRows/2, 0), len(lines)-recentRows)
			lines, v.Step = lines[from:from+recentRows], v.Step-from
		}
		f.Recent = slices.Insert(slices.Clone(f.Recent[:min(len(f.Recent), maxRecent-1)]), 0,
			Abnormal{logs.Redact([]byte(c.Key)), v.Score, v.Step, lines, c.First, c.Last, c.Why})
		return
	default:
		f.Normal++
	}
	s.fresh = true
	last := logs.FlowBegin
	for _, id := range c.Events {
		s.step(last, id.String(), f)
		last = id.String()
	}
	s.step(last, logs.FlowEnd, f)
}

func (s *sessions) step(from, to string, f *SequenceFigures) {
	key := [2]string{from, to}
	if _, ok := s.flow[key]; !ok && len(s.flow) >= maxFlow {
		f.OverFlow++
		return
	}
	s.flow[key]++
}

// move is called when templates became others.
func (s *sessions) move() {
	s.moved = true
	for key := range s.flow {
		for _, end := range key {
			if id, err := logs.ParseID(end); err == nil && s.resolve(id) != id {
				delete(s.flow, key)
			}
		}
	}
}

// savedSessions is the state of sessions.
type savedSessions struct {
	Learner []byte `json:"learner"`
	Open    []byte `json:"open"`
}

// save writes the figures and returns the state.
func (s *sessions) save(f *SequenceFigures) savedSessions {
	if s.moved {
		s.learner.Rename(s.resolve)
		s.moved = false
	}
	if s.fresh {
		s.paths, s.fresh = s.learner.Flow(leastShare), false
	}
	f.Open, f.Paths = s.open.Len(), s.paths
	f.Flow = make([]Step, 0, len(s.flow))
	for key, n := range s.flow {
		f.Flow = append(f.Flow, Step{key[0], key[1], n})
	}
	slices.SortFunc(f.Flow, func(a, b Step) int { return strings.Compare(a.From+" "+a.To, b.From+" "+b.To) })
	return savedSessions{s.learner.Marshal(), s.open.Marshal()}
}

func (s *sessions) load(saved savedSessions, f SequenceFigures) error {
	if err := s.learner.Restore(saved.Learner); err != nil {
		return fmt.Errorf("sessions that were learnt: %w", err)
	}
	if err := s.open.Restore(saved.Open); err != nil {
		return fmt.Errorf("open sessions: %w", err)
	}
	s.flow, s.fresh = map[[2]string]uint64{}, true
	for _, step := range f.Flow {
		s.flow[[2]string{step.From, step.To}] = step.Count
	}
	return nil
}

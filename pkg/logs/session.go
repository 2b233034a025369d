package logs

import (
	"container/list"
	"fmt"
	"regexp"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
)

// SessionOptions say which lines belong together and when they are complete.
type SessionOptions struct {
	Key         string            `json:"key" yaml:"key" help:"Regular expression (RE2) of the key that a session's lines share: its first group, or the whole."`
	End         string            `json:"end" yaml:"end" help:"Regular expression of a line that ends its session; empty for none."`
	Idle        registry.Duration `json:"idle" yaml:"idle" min:"1" max:"604800" help:"A session without a line for so long is over."`
	MaxEvents   int               `json:"max_events" yaml:"max_events" min:"2" max:"100000" help:"A session of so many lines is over."`
	MaxSessions int               `json:"max_sessions" yaml:"max_sessions" min:"1" max:"1000000" help:"Open sessions; of more, the one without a line for longest is over."`
	LineBytes   int               `json:"line_bytes" yaml:"line_bytes" min:"0" max:"1073741824" unit:"bytes" help:"Memory for the lines of open sessions, which are shown with an anomaly; beyond it lines are counted and not kept."`
}

// DefaultSessionOptions lack only the key.
func DefaultSessionOptions() SessionOptions {
	return SessionOptions{Idle: registry.Duration(time.Minute), MaxEvents: 1000, MaxSessions: 10_000, LineBytes: 16 << 20}
}

// Validate reports the first value that cannot be.
func (o *SessionOptions) Validate() error {
	if o.Key == "" {
		return fmt.Errorf("key: got none, want a regular expression (RE2) of what the lines of a session share")
	}
	for _, f := range []struct{ name, pattern string }{{"key", o.Key}, {"end", o.End}} {
		if _, err := regexp.Compile(f.pattern); err != nil {
			return fmt.Errorf("%s: got %q, want a regular expression (RE2): %w", f.name, f.pattern, err)
		}
	}
	switch {
	case o.Idle < registry.Duration(time.Second) || o.Idle > registry.Week:
		return fmt.Errorf("idle: got %s, want 1s to 7d", o.Idle)
	case o.MaxEvents < 2 || o.MaxEvents > 100_000:
		return fmt.Errorf("max_events: got %d, want 2 to 100000", o.MaxEvents)
	case o.MaxSessions < 1 || o.MaxSessions > 1_000_000:
		return fmt.Errorf("max_sessions: got %d, want 1 to 1000000", o.MaxSessions)
	case o.LineBytes < 0 || o.LineBytes > 1<<30:
		return fmt.Errorf("line_bytes: got %d, want 0 to 1073741824", o.LineBytes)
	}
	return nil
}

// Closing is why a session is over.
type Closing string

// The reasons, a closed set.
const (
	ClosedByEnd    Closing = "end"    // its end marker
	ClosedByIdle   Closing = "idle"   // no line for too long
	ClosedByLength Closing = "length" // too many lines
	ClosedByRoom   Closing = "room"   // too many open sessions
)

// Closings are all reasons.
var Closings = []Closing{ClosedByEnd, ClosedByIdle, ClosedByLength, ClosedByRoom}

// Session is one that is over.
type Session struct {
	Key         string
	Events      []ID
	Lines       []string // one for each event, shortened, secrets masked; empty where there was no memory for it
	First, Last time.Time
	Why         Closing
}

// Sessions puts lines together. It is not safe for concurrent use.
type Sessions struct {
	o        SessionOptions
	key, end *regexp.Regexp
	open     map[string]*list.Element
	order    *list.List // of *Session, the one whose last line is oldest first
	bytes    int
}

// NewSessions returns one without open sessions.
func NewSessions(o SessionOptions) (*Sessions, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("log sessions: %w", err)
	}
	s := &Sessions{o: o, key: regexp.MustCompile(o.Key), open: map[string]*list.Element{}, order: list.New()}
	if o.End != "" {
		s.end = regexp.MustCompile(o.End)
	}
	return s, nil
}

// Len is the number of open sessions.
func (s *Sessions) Len() int { return len(s.open) }

// maxKept is how much of a line is kept for its session.
const maxKept = 256

// Add puts a line of the given template into its session, and returns the sessions that are over with it. A line without a key belongs to none.
func (s *Sessions) Add(line []byte, id ID, at time.Time) []Session {
	closed := s.Expire(at)
	key := SessionKey(s.key, line)
	if key == "" {
		return closed
	}
	e := s.open[key]
	if e == nil {
		if len(s.open) >= s.o.MaxSessions {
			closed = append(closed, s.close(s.order.Front(), ClosedByRoom))
		}
		e = s.order.PushBack(&Session{Key: key, First: at})
		s.open[key] = e
	} else {
		s.order.MoveToBack(e)
	}
	v := e.Value.(*Session)
	v.Events = append(v.Events, id)
	kept := line[:min(len(line), maxKept)]
	if s.bytes+len(kept) > s.o.LineBytes {
		kept = nil
	}
	s.bytes += len(kept)
	v.Lines = append(v.Lines, string(kept))
	if at.After(v.Last) {
		v.Last = at
	}
	switch {
	case s.end != nil && s.end.Match(line):
		closed = append(closed, s.close(e, ClosedByEnd))
	case len(v.Events) >= s.o.MaxEvents:
		closed = append(closed, s.close(e, ClosedByLength))
	}
	return closed
}

// Expire returns the sessions that were idle for too long. A time that goes back ends none.
func (s *Sessions) Expire(now time.Time) []Session {
	var closed []Session
	for e := s.order.Front(); e != nil; e = s.order.Front() {
		if now.Sub(e.Value.(*Session).Last) < time.Duration(s.o.Idle) {
			break
		}
		closed = append(closed, s.close(e, ClosedByIdle))
	}
	return closed
}

func (s *Sessions) close(e *list.Element, why Closing) Session {
	v := s.order.Remove(e).(*Session)
	delete(s.open, v.Key)
	for i, l := range v.Lines {
		s.bytes -= len(l)
		v.Lines[i] = Redact([]byte(l))
	}
	v.Why = why
	return *v
}

// SessionKey returns the key that the pattern finds in a line: its first group, or the whole where there is none; empty for no match.
func SessionKey(pattern *regexp.Regexp, line []byte) string {
	at := pattern.FindSubmatchIndex(line)
	switch {
	case at == nil:
		return ""
	case len(at) >= 4 && at[2] >= 0:
		return string(line[at[2]:at[3]])
	}
	return string(line[at[0]:at[1]])
}

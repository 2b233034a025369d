package logs

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/registry"
)

func newSessions(t *testing.T, change func(*SessionOptions)) *Sessions {
	t.Helper()
	o := DefaultSessionOptions()
	o.Key, o.End = `req=(\w+)`, `done`
	if change != nil {
		change(&o)
	}
	s, err := NewSessions(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A session is over by its end marker, by silence, by its length, and where there is no room.
func TestSessions(t *testing.T) {
	t.Parallel()
	var got []string
	note := func(closed []Session) {
		for _, c := range closed {
			got = append(got, fmt.Sprint(c.Key, " ", c.Why, " ", len(c.Events)))
		}
	}
	s := newSessions(t, func(o *SessionOptions) { o.MaxEvents, o.MaxSessions = 4, 2 })
	at := start
	add := func(line string, id ID) {
		note(s.Add([]byte(line), id, at))
		at = at.Add(time.Second)
	}
	add("req=a begin", 1)
	add("no key", 9)
	add("req=b begin", 1)
	add("req=a done", 2)
	for range 3 {
		add("req=b more", 3)
	}
	add("req=c begin", 1)
	add("req=d begin", 1)
	add("req=e begin", 1)
	at = at.Add(time.Minute)
	note(s.Expire(at))
	want := []string{"a end 2", "b length 4", "c room 1", "d idle 1", "e idle 1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("closed (-want +got):\n%s", d)
	}
	if s.Len() != 0 || s.bytes != 0 {
		t.Errorf("%d sessions and %d bytes left", s.Len(), s.bytes)
	}
}

// Lines are kept within their memory, without secrets.
func TestSessionLines(t *testing.T) {
	t.Parallel()
	s := newSessions(t, func(o *SessionOptions) { o.LineBytes = 40 })
	s.Add([]byte("req=a password=hunter"), 1, start)
	s.Add([]byte("req=a a line that is too long for it"), 2, start)
	closed := s.Add([]byte("req=a done"), 3, start)
	if d := cmp.Diff([]string{"req=a password=***", "", "req=a done"}, closed[0].Lines); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
}

func TestSessionOptions(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*SessionOptions){
		func(o *SessionOptions) { o.Key = "" },
		func(o *SessionOptions) { o.Key = "(" },
		func(o *SessionOptions) { o.End = "(" },
		func(o *SessionOptions) { o.Idle = registry.Duration(time.Millisecond) },
		func(o *SessionOptions) { o.MaxEvents = 1 },
		func(o *SessionOptions) { o.MaxSessions = 0 },
		func(o *SessionOptions) { o.LineBytes = -1 },
	} {
		o := DefaultSessionOptions()
		o.Key = "x"
		change(&o)
		if err := o.Validate(); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// A learner judges after what it was told to learn, goes on after a restart, and follows templates that move.
func TestLearner(t *testing.T) {
	t.Parallel()
	l, err := NewLearner("auto", nil, 100)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range visits(100, 1) {
		if _, judged := l.Judge(s); judged {
			t.Fatalf("session %d was judged", i)
		}
	}
	check := func(what string, l *Learner, events []ID, want bool) {
		t.Helper()
		if v, judged := l.Judge(events); !judged || v.Anomalous() != want {
			t.Errorf("%s: judged %v, %+v", what, judged, v)
		}
	}
	ordinary := []ID{opened, asked, granted, reading, left}
	check("ordinary", l, ordinary, false)
	check("new", l, faults[0].events, true)
	back, _ := NewLearner("auto", nil, 100)
	if err := back.Restore(l.Marshal()); err != nil {
		t.Fatal(err)
	}
	check("new, restored", back, faults[0].events, true)
	check("ordinary, restored", back, ordinary, false)
	moved := func(id ID) ID {
		if id == reading {
			return 1000
		}
		return id
	}
	after := []ID{opened, asked, granted, 1000, left}
	check("a template that moved, untold", l, after, true)
	back.Rename(moved)
	check("a template that moved", back, after, false)
	state := l.Marshal()
	for n := range len(state) - 1 {
		if err := back.Restore(state[:n]); err == nil {
			t.Fatalf("%d of %d bytes were taken", n, len(state))
		}
	}
}

func TestFlow(t *testing.T) {
	t.Parallel()
	var all [][]ID
	for range 98 {
		all = append(all, []ID{5, 7, 7})
	}
	all = append(all, []ID{5, 7}, []ID{5, 6})
	got := FlowOf(all, 0.05)
	want := Flow{
		Nodes: []FlowNode{
			{FlowBegin, 0, 100, 100}, {FlowEnd, 0, 100, 100}, {FlowEvent, 7, 197, 99}, {FlowEvent, 5, 100, 100}, {FlowEvent, 6, 1, 1},
		},
		Edges: []FlowEdge{{0, 3, 100, 1}, {2, 1, 99, 99.0 / 197}, {2, 2, 98, 98.0 / 197}, {3, 2, 99, 0.99}, {3, 4, 1, 0.01}, {4, 1, 1, 1}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("flow (-want +got):\n%s", d)
	}
}

// Package follow reads logs as they grow: files with their rotations, logs of containers, and the systemd journal.
//
// The idea: a Source yields records, each with the bytes that it took, and knows its position. A Stream hands the records of one source to a
// Handler and from time to time commits: position and the handler's state go to disk together, in one file that replaces the one before. Only then
// does the handler publish. So whatever is published was saved before, a process that is killed goes on where its published figures end, and no
// line counts twice or not at all, as long as its file is still there. Nothing is written but that state; who writes a log never waits for us.
//
//	s := follow.Stream{Name: "nginx", Source: follow.NewFiles(o), Handler: h, State: "/var/lib/foreshock/logs/nginx.state", Governor: g, Log: log}
//	s.Run(ctx)
//
// The package knows nothing of metrics, levels or templates. It parses no line further than to find where it ends.
package follow

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Record is one message: one line, or several that belong together.
type Record struct {
	// Text is the message without its end of line. It is valid until the handler returns.
	Text []byte
	// Lines and Bytes are what it took of the source, ends of line and wrapping included. They add up to all that was read.
	Lines int
	Bytes int64
	// Fields are what the source itself knows, like the stream of a container or the unit of the journal. Shared: not to be changed.
	Fields []Field
	// Cut says that the message was longer than allowed and lost its end.
	Cut bool
	// Thin says that the reader is too far behind to look at each message: count it, and leave it.
	Thin bool
}

// Field is one thing that a source knows of a record.
type Field struct{ Name, Value string }

// Source is where records come from. It is used by one goroutine.
type Source interface {
	// Read hands over records until about budget bytes were read or nothing is left, and reports whether more is waiting.
	Read(now time.Time, budget int, take func(Record)) (more bool)
	// Lag is how many bytes are waiting and Open how many files are open, as of the last Read.
	Lag() int64
	Open() int
	// Position returns how far the records handed over reach, for Restore.
	Position() (json.RawMessage, error)
	// Restore goes to a position. It is called before the first Read, or not at all.
	Restore(json.RawMessage) error
	// Close gives back what is open.
	Close()
}

// Handler takes the records of one source. It is used by the goroutine of its Stream, so it needs no lock but for what it publishes.
type Handler interface {
	Take(Record)
	// Tick tells the time. It is called before the records of each round, also when there are none, and reports whether something is to be saved that
	// was not before.
	Tick(now time.Time) bool
	// Save returns all that must survive, as of the records taken so far; Load gets it back in a later life, before the first record.
	Save() ([]byte, error)
	Load([]byte) error
	// Publish makes visible what the last Save has saved.
	Publish(now time.Time)
}

// Reporter is told what went wrong. Reason is one of a closed set; detail is for people. It is safe for concurrent use.
type Reporter interface {
	Report(reason, detail string)
}

// Reasons that a Reporter can be given by this package.
const (
	ReasonOpen       = "open"           // a file cannot be opened
	ReasonDenied     = "denied"         // a file may not be read
	ReasonNotRegular = "not_regular"    // what the pattern matches is no file
	ReasonRead       = "read"           // reading fails
	ReasonVanished   = "vanished"       // a file was gone before it was read to its end
	ReasonTruncated  = "truncated"      // a file was cut and what was not read yet is nowhere to be found
	ReasonTooMany    = "too_many_files" // more files than allowed
	ReasonCut        = "cut"            // a message is longer than allowed
	ReasonFormat     = "format"         // a line is not in the format of its source
	ReasonState      = "state"          // the position cannot be saved or read
	ReasonPanic      = "panic"          // a fault of this program
)

// Reasons lists them all.
func Reasons() []string {
	return []string{
		ReasonOpen, ReasonDenied, ReasonNotRegular, ReasonRead, ReasonVanished, ReasonTruncated, ReasonTooMany, ReasonCut, ReasonFormat, ReasonState, ReasonPanic,
	}
}

// Stream is one source with its handler. The fields are set before Run and not changed.
type Stream struct {
	Name     string
	Source   Source
	Handler  Handler
	State    string        // the file of positions; "": nothing is kept
	Governor *Governor     // shared by all streams
	Poll     time.Duration // how often to look when nothing is waiting
	Commit   time.Duration // how often to save
	ThinFrom int64         // bytes of lag from which on records are sampled; 0: never
	Reporter Reporter
	Log      *slog.Logger
	Now      func() time.Time

	position                 []byte       // as last saved
	lag, files, behind, busy atomic.Int64 // bytes; files; unix nanoseconds since when behind, since when in a round; 0: not
	readyOnce                sync.Once
	ready                    chan struct{}
	makeReady                sync.Once
}

// slice is how much is read between two looks at the clock.
const slice = 256 << 10

// Ready is closed when the first round is done and published.
func (s *Stream) Ready() <-chan struct{} {
	s.makeReady.Do(func() { s.ready = make(chan struct{}) })
	return s.ready
}

// Lag returns how many bytes wait, and since when (zero: nothing waits) some do.
func (s *Stream) Lag() (bytes int64, since time.Time) {
	return s.lag.Load(), stamp(&s.behind)
}

// Files returns how many files are open.
func (s *Stream) Files() int { return int(s.files.Load()) }

// Busy returns since when the present round runs, zero between rounds. One that lasts hangs in the kernel.
func (s *Stream) Busy() time.Time { return stamp(&s.busy) }

func stamp(a *atomic.Int64) time.Time {
	if n := a.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// Run follows until ctx ends, and saves once more.
func (s *Stream) Run(ctx context.Context) {
	_ = s.Ready()
	defer s.Source.Close()
	if s.restore() {
		s.Handler.Publish(s.Now())
	}
	// A process that was killed may have been ahead of what it saved; it is not ahead of what it published.
	dirty, since, pause := true, time.Time{}, time.Duration(0)
	for ctx.Err() == nil {
		s.Governor.Wait(ctx)
		began := time.Now()
		more, some := s.round()
		s.Governor.Spent(time.Since(began))
		dirty = dirty || some
		if since.IsZero() || time.Since(since) >= max(s.Commit, pause) {
			since = time.Now()
			var took time.Duration
			took, dirty = s.commit(dirty)
			pause = commitShare * took
			s.readyOnce.Do(func() { close(s.ready) })
		}
		if !more {
			sleep(ctx, s.Poll)
		}
	}
	s.commit(dirty)
}

// commitShare keeps the time for saving below one part in so many: a large state is saved less often.
const commitShare = 30

// round reads one slice.
func (s *Stream) round() (more, some bool) {
	now := s.Now()
	s.busy.Store(now.UnixNano())
	defer s.busy.Store(0)
	defer func() {
		if p := recover(); p != nil {
			s.Reporter.Report(ReasonPanic, panicText(p))
			more = false
		}
	}()
	one := 1
	if s.ThinFrom > 0 {
		if lag := s.Source.Lag(); lag > s.ThinFrom {
			one = int(min(lag/s.ThinFrom+1, 100))
		}
	}
	ticked, n := s.Handler.Tick(now), 0
	more = s.Source.Read(now, slice, func(r Record) {
		r.Thin = n%one != 0
		n++
		s.Handler.Take(r)
	})
	lag := s.Source.Lag()
	s.lag.Store(lag)
	s.files.Store(int64(s.Source.Open()))
	switch {
	case lag == 0:
		s.behind.Store(0)
	case s.behind.Load() == 0:
		s.behind.Store(now.UnixNano())
	}
	return more, n > 0 || ticked
}

// commit saves and publishes when there is something new, and returns how long that took and whether there still is: a save that failed is tried again,
// also when nothing more is logged. What cannot be saved is published all the same: figures that stand still would say that nothing happens.
func (s *Stream) commit(dirty bool) (took time.Duration, left bool) {
	began := time.Now()
	position, err := s.Source.Position()
	if err == nil && (dirty || !bytes.Equal(position, s.position)) {
		if err = s.save(position); err == nil {
			s.position = position
		}
	}
	if err != nil {
		left = dirty
		s.Reporter.Report(ReasonState, err.Error())
	}
	s.Handler.Publish(s.Now())
	return time.Since(began), left
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

package digest

import (
	"log/slog"
	"sync"
	"time"

	"github.com/foreshock/foreshock/exporter/follow"
)

// Reasons of this package, beside those of follow.
const (
	ReasonParse  = "parse"  // a message is not in the format that parse says
	ReasonBinary = "binary" // a message has bytes that no text has
	ReasonUTF8   = "utf8"   // a message is not valid UTF-8
	ReasonFull   = "full"   // more templates, values or sessions than allowed
)

// Reasons lists all reasons of both packages.
func Reasons() []string {
	return append(follow.Reasons(), ReasonParse, ReasonBinary, ReasonUTF8, ReasonFull)
}

// Problems counts what went wrong with one source, and writes the first of each reason to the log: the next one not before an hour is over.
type Problems struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	counts map[string]uint64
	told   map[string]time.Time
}

// NewProblems returns one without problems.
func NewProblems(log *slog.Logger, now func() time.Time) *Problems {
	return &Problems{log: log, now: now, counts: map[string]uint64{}, told: map[string]time.Time{}}
}

const tellAgain = time.Hour

// Report counts a problem. It is safe for concurrent use.
func (p *Problems) Report(reason, detail string) {
	p.mu.Lock()
	p.counts[reason]++
	n, now, last := p.counts[reason], p.now(), p.told[reason]
	tell := last.IsZero() || now.Sub(last) >= tellAgain || now.Before(last)
	if tell {
		p.told[reason] = now
	}
	p.mu.Unlock()
	if !tell {
		return
	}
	level := slog.LevelWarn
	if reason == follow.ReasonPanic {
		level = slog.LevelError
	}
	if len(detail) > 2000 {
		detail = detail[:2000]
	}
	p.log.Log(nil, level, "Trouble with a log; more of this kind is only counted for an hour", "reason", reason, "count", n, "detail", detail) //nolint:staticcheck // no context
}

// Counts returns the counts by reason.
func (p *Problems) Counts() map[string]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[string]uint64, len(p.counts))
	for k, v := range p.counts {
		out[k] = v
	}
	return out
}

package follow

import (
	"bytes"
	"regexp"
	"time"
)

// Join says which lines belong together. The zero value joins nothing.
type Join struct {
	// Auto joins lines that are indented, "Caused by:" and "... 3 more", and Python's tracebacks with their last line, to the line before.
	Auto bool
	// Start, when not nil, is matched by the first line of a message: all others go on with the one before.
	Start *regexp.Regexp
	// Continue, when not nil, is matched by lines that go on with the one before.
	Continue *regexp.Regexp
	// MaxLines and MaxBytes bound a message; what follows is a new one.
	MaxLines, MaxBytes int
	// Wait is after how long a message is complete although nothing came after it.
	Wait time.Duration
}

func (j *Join) on() bool { return j.Auto || j.Start != nil || j.Continue != nil }

// joiner holds the message that may still go on.
type joiner struct {
	join   *Join
	text   []byte
	lines  int
	bytes  int64
	stream string
	// partial: the format said that the last line goes on. trace: in the middle of a Python traceback.
	partial, trace, cut bool
	since               time.Time
}

// add takes one line of size bytes and emits what is complete by it.
func (j *joiner) add(u unwrapped, size int64, cut bool, now time.Time, emit func(text []byte, lines int, bytes int64, stream string, cut bool)) {
	whole := !u.partial && !j.join.on()
	if j.lines > 0 && !j.goesOn(u) {
		j.flush(emit)
	}
	if j.lines == 0 && whole {
		emit(u.text, 1, size, u.stream, cut)
		return
	}
	if j.lines > 0 && !j.partial {
		j.text = append(j.text, '\n')
	}
	if room := j.join.MaxBytes - len(j.text); len(u.text) > room {
		u.text, cut = u.text[:max(room, 0)], true
	}
	j.text = append(j.text, u.text...)
	if j.lines == 0 {
		j.stream, j.trace = u.stream, j.join.Auto && bytes.HasPrefix(u.text, traceback)
	}
	j.lines++
	j.bytes += size
	j.cut = j.cut || cut
	j.partial, j.since = u.partial, now
	if whole {
		j.flush(emit)
	}
}

// goesOn reports whether a line belongs to the message that is held.
func (j *joiner) goesOn(u unwrapped) bool {
	switch {
	case u.stream != j.stream:
		return false
	case j.partial:
		return true // what is too long is cut
	case j.lines >= j.join.MaxLines || len(j.text) >= j.join.MaxBytes:
		return false
	case j.join.Start != nil && !j.join.Start.Match(u.text):
		return true
	case j.join.Continue != nil && j.join.Continue.Match(u.text):
		return true
	}
	return j.join.Auto && j.auto(u.text)
}

var (
	traceback = []byte("Traceback (most recent call last)")
	causedBy  = []byte("Caused by:")
)

func (j *joiner) auto(text []byte) bool {
	indented := len(text) > 0 && (text[0] == ' ' || text[0] == '\t')
	if j.trace {
		j.trace = indented // the first line that is not is the error itself
		return true
	}
	if bytes.HasPrefix(text, traceback) {
		j.trace = true
		return true
	}
	return indented || bytes.HasPrefix(text, causedBy) || bytes.HasPrefix(text, []byte("..."))
}

// flush emits the message that is held.
func (j *joiner) flush(emit func(text []byte, lines int, bytes int64, stream string, cut bool)) {
	if j.lines == 0 {
		return
	}
	emit(j.text, j.lines, j.bytes, j.stream, j.cut)
	*j = joiner{join: j.join, text: j.text[:0]}
}

// due reports whether the message that is held has waited long enough. A clock that went back does not hold it for longer.
func (j *joiner) due(now time.Time) bool {
	return j.lines > 0 && (now.Sub(j.since) >= j.join.Wait || now.Before(j.since))
}

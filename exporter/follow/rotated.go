package follow

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// sibling is a file beside a log whose name says that it was rotated away from it.
type sibling struct {
	path string
	info fs.FileInfo
}

// What logrotate, log4j and the like append: a number, a date, a word. A compressed file has one ending more, and is skipped.
var rotatedSuffix = regexp.MustCompile(`^[._-](?:[0-9][0-9._T:Z+-]*|old|bak|prev|save)$`)

// rotatedName reports whether name is what base became by a rotation: base.1, base-20260102, base.old, or stem-20260102.log for stem.log.
func rotatedName(base, name string) bool {
	if rest, ok := strings.CutPrefix(name, base); ok && rotatedSuffix.MatchString(rest) {
		return true
	}
	ext := filepath.Ext(base)
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(base, ext))
	middle, ok2 := strings.CutSuffix(rest, ext)
	return ext != "" && ok && ok2 && rotatedSuffix.MatchString(middle)
}

// maxSiblings bounds the look for rotated files: more than this keeps nobody.
const maxSiblings = 10_000

// siblings returns the files that were rotated away from path, the oldest first. Where path is a link, they lie beside what it leads to.
func (s *Files) siblings(path string) []sibling {
	out := s.beside(path)
	if target, err := s.target(path); err == nil && target != filepath.Clean(path) {
		out = append(out, s.beside(target)...)
	}
	slices.SortFunc(out, func(a, b sibling) int {
		return cmp.Or(a.info.ModTime().Compare(b.info.ModTime()), -cmp.Compare(a.path, b.path))
	})
	return slices.CompactFunc(out, func(a, b sibling) bool { return idOf(a.info) == idOf(b.info) })
}

func (s *Files) beside(path string) []sibling {
	d, err := os.Open(s.real(filepath.Dir(path)))
	if err != nil {
		return nil
	}
	defer func() { _ = d.Close() }() // only read
	names, _ := d.Readdirnames(maxSiblings)
	var out []sibling
	for _, name := range names {
		if !rotatedName(filepath.Base(path), name) {
			continue
		}
		full := filepath.Join(filepath.Dir(path), name)
		if info, err := os.Stat(s.real(full)); err == nil && info.Mode().IsRegular() {
			out = append(out, sibling{full, info})
		}
	}
	return out
}

// missed opens what was rotated away from path since the last look and was not read: whatever came and went in between.
func (s *Files) missed(path string, now time.Time) {
	since, ok := s.since[path]
	if !ok {
		return // never looked for
	}
	for again := tries; again > 0; again-- {
		moved := false
		for _, o := range s.unread(path, since) {
			if !s.adopt(o, path, 0, now) {
				moved = true
			} else if at := o.info.ModTime(); at.After(s.since[path]) {
				s.since[path] = at
			}
		}
		if !moved {
			return
		}
	}
}

// tries is how often a directory is listed anew because a file was renamed after it was listed.
const tries = 4

// unread returns what was rotated away from path since a time, and is not known.
func (s *Files) unread(path string, since time.Time) (out []sibling) {
	for _, o := range s.siblings(path) {
		id := idOf(o.info)
		switch {
		case s.tails[id] != nil, o.info.ModTime().Before(since), s.excluded(o.path):
		case slices.ContainsFunc(s.restored, func(r *tail) bool { return r.id == id }):
		case slices.ContainsFunc(s.ended, func(e ended) bool {
			return e.ID == id && e.Done == o.info.Size() && e.MTime.Equal(o.info.ModTime()) // numbers of removed files are given again
		}):
		default:
			out = append(out, o)
		}
	}
	return out
}

// search goes on with a file of an earlier life whose path leads elsewhere by now.
func (s *Files) search(t *tail, now time.Time) {
	for again := tries; again > 0; again-- {
		if s.listed[t.path] == nil || again < tries {
			s.listed[t.path] = s.siblings(t.path) // once for all files that were rotated away from it
		}
		for _, o := range s.listed[t.path] {
			if idOf(o.info) == t.id && s.reopen(t, o.path, now) {
				s.renamed(t)
				return
			}
		}
	}
	if t.gone.IsZero() || t.done < t.size {
		s.o.Reporter.Report(ReasonVanished, t.path+": it was replaced or removed while this program did not run, and what it became was not found")
	}
}

// reopen goes on with a tail of an earlier life under the name that its file has now.
func (s *Files) reopen(t *tail, path string, now time.Time) bool {
	f, info, _, err := openRegular(s.real(path))
	if err != nil {
		return false
	}
	same, all, err := t.opening.of(f)
	if idOf(info) != t.id || err != nil || !same || info.Size() < t.done {
		_ = f.Close() // only read
		return false
	}
	t.f, t.opening, t.size = f, all, info.Size()
	if path != t.path && t.gone.IsZero() {
		t.gone = now
	}
	s.add(t)
	return true
}

// adopt opens a file that was rotated away from path, to read it from an offset on and then leave it. It reports false when the file is somewhere
// else by now.
func (s *Files) adopt(o sibling, path string, from int64, now time.Time) bool {
	f, info, reason, err := openRegular(s.real(o.path))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		s.bad(o.path, reason, err)
		return true
	}
	_, all, err := noOpening.of(f)
	if err != nil || idOf(info) != idOf(o.info) {
		_ = f.Close() // only read
		return err != nil
	}
	t := s.newTail(f, info, path)
	t.opening, t.gone = all, now
	if done, ok := s.finished(t.id, f); ok {
		from = max(from, done)
	}
	t.restart(from)
	s.add(t)
	return true
}

// truncated is called when the file of t became shorter, or begins otherwise than it did. copytruncate leaves a copy behind, whose end is read.
func (s *Files) truncated(t *tail, now time.Time, take func(Record)) {
	for _, o := range slices.Backward(s.siblings(t.path)) {
		id := idOf(o.info)
		if s.tails[id] != nil || o.info.Size() < t.done || t.opening.N == 0 {
			continue
		}
		f, _, _, err := openRegular(s.real(o.path))
		if err != nil {
			continue
		}
		same, _, err := t.opening.of(f)
		_ = f.Close() // only read
		if err == nil && same {
			s.adopt(o, t.path, t.done, now)
			t.restart(0)
			s.begins(t)
			return
		}
	}
	if t.size > t.read {
		s.o.Reporter.Report(ReasonTruncated, t.path)
	}
	t.finish(&s.o, now, take)
	t.restart(0)
	s.begins(t)
}

// begins takes the opening of a file whose content is new.
func (s *Files) begins(t *tail) {
	_, all, err := noOpening.of(t.f)
	if err != nil {
		s.bad(t.path, ReasonRead, err)
		all = noOpening
	}
	t.opening = all
}

package follow

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var errNotRegular = errors.New("neither a file nor a link to one")

// FilesOptions says which files are read and how. Paths, Format, MaxLine, MaxFiles and Reporter are needed.
type FilesOptions struct {
	// Paths are names or patterns of path/filepath.Match; Exclude are patterns too, of whole paths or of base names.
	Paths, Exclude []string
	// Root is where the root directory of the host is mounted that wrote the logs; links are followed within it. Empty: the same as ours.
	Root   string
	Format Format
	Join   Join
	// MaxLine is how many bytes of one line are kept, MaxFiles how many files are open.
	MaxLine, MaxFiles int
	// FromStart reads files from their beginning that are there at the very first start; later ones always are.
	FromStart bool
	// Discover is how often patterns are looked up, Linger for how long a file is read on after it was rotated away.
	Discover, Linger time.Duration
	Reporter         Reporter
}

// Files is a Source of files. A file is what it is on disk, not its name: it is followed when it is renamed or removed, and read once when links
// lead to it.
type Files struct {
	o        FilesOptions
	tails    map[fileID]*tail
	order    []*tail // as read, round robin
	turn     int
	looked   time.Time
	before   time.Time // the look before that; zero at the first one
	again    bool      // a name leads to a new file: look at once
	known    bool      // not the very first start
	ended    []ended
	restored []*tail              // of an earlier life, not looked for yet
	listed   map[string][]sibling // while they are looked for
	trouble  map[string]string
	crowded  bool                 // the last look found more files than allowed
	dangling map[string]time.Time // links that lead nowhere, since when
	since    map[string]time.Time // the last change of what a path led to
	buf      []byte
}

// ended is a file that was read after it was rotated away, and how far.
type ended struct {
	ID      fileID    `json:"id"`
	Opening opening   `json:"opening"`
	Done    int64     `json:"done"`
	MTime   time.Time `json:"mtime"`
}

// grain is how much the time of a change of a file may lag behind the clock: a tick of the slowest kernels, twice.
const grain = 20 * time.Millisecond

// maxEnded bounds the memory of files that were read: they are asked for at the next rotations only.
const maxEnded = 64

// NewFiles returns a source. Nothing is opened before the first Read.
func NewFiles(o FilesOptions) *Files {
	if o.Join.MaxLines == 0 {
		o.Join.MaxLines = 500
	}
	if o.Join.MaxBytes == 0 {
		o.Join.MaxBytes = 1 << 20
	}
	return &Files{o: o, tails: map[fileID]*tail{}, trouble: map[string]string{}, dangling: map[string]time.Time{}, since: map[string]time.Time{}, buf: make([]byte, chunk)}
}

// Read looks for new and rotated files and reads.
func (s *Files) Read(now time.Time, budget int, take func(Record)) bool {
	s.look(now)
	s.check(now, take)
	more := s.readAll(now, budget, take)
	s.leave(now, take)
	return more
}

// Open returns how many files are open.
func (s *Files) Open() int { return len(s.order) }

// Lag returns the bytes that are on disk and were not read.
func (s *Files) Lag() int64 {
	var lag int64
	for _, t := range s.order {
		lag += max(t.size-t.read, 0)
	}
	return lag
}

// Close closes all files.
func (s *Files) Close() {
	for _, t := range s.order {
		_ = t.f.Close() // only read
	}
	s.order, s.tails = nil, map[fileID]*tail{}
}

// look finds the files that the patterns match.
func (s *Files) look(now time.Time) {
	if !s.looked.IsZero() && now.Sub(s.looked) < s.o.Discover && !now.Before(s.looked) && !s.again {
		return
	}
	s.again = false
	first := s.looked.IsZero()
	s.before, s.looked = s.looked, now
	s.listed = map[string][]sibling{}
	for len(s.restored) > 0 {
		t := s.restored[0]
		s.restored = s.restored[1:]
		s.resume(t, now)
	}
	s.listed = nil
	s.crowded = false
	for _, pattern := range s.o.Paths {
		names := []string{pattern}
		if strings.ContainsAny(pattern, `*?[\`) {
			names = s.glob(pattern)
		}
		for _, name := range names {
			s.find(name, now, first && !s.known && !s.o.FromStart)
		}
	}
	if !s.crowded {
		delete(s.trouble, "")
	}
	s.known = true
}

// resume goes on with a file of an earlier life.
func (s *Files) resume(t *tail, now time.Time) {
	if t.gone.IsZero() && s.reopen(t, t.path, now) {
		return
	}
	if info, err := os.Stat(s.real(t.path)); err == nil && idOf(info) == t.id && t.gone.IsZero() {
		if f, _, _, err := openRegular(s.real(t.path)); err == nil { // the same file, cut while nobody looked
			t.f, t.size = f, -1
			s.add(t)
			return // check finds it truncated
		}
	}
	s.search(t, now)
}

// find opens a file that is not open yet.
func (s *Files) find(name string, now time.Time, atEnd bool) {
	info, err := os.Stat(s.real(name))
	if err != nil {
		s.missed(name, now)
		if _, ok := s.since[name]; !ok {
			s.since[name] = now
		}
		s.absent(name, now, err)
		return
	}
	delete(s.dangling, name)
	if s.tails[idOf(info)] != nil || s.excluded(name) || compressed(name) {
		return
	}
	if info.IsDir() {
		s.bad(name, ReasonNotRegular, errNotRegular)
		return
	}
	if len(s.order) >= s.o.MaxFiles {
		s.crowded = true
		s.bad("", ReasonTooMany, fmt.Errorf("more than %d files", s.o.MaxFiles))
		return
	}
	f, info, reason, err := openRegular(s.real(name))
	if err != nil {
		s.bad(name, reason, err)
		return
	}
	delete(s.trouble, name)
	_, all, err := noOpening.of(f)
	if err != nil || s.tails[idOf(info)] != nil || s.copyOf(name, f) {
		_ = f.Close() // only read
		if err != nil {
			s.bad(name, ReasonRead, err)
		}
		return
	}
	t := s.newTail(f, info, name)
	t.opening = all
	if atEnd {
		t.restart(info.Size())
	}
	if at, ok := s.finished(t.id, f); ok && at <= info.Size() {
		t.restart(at)
	}
	s.tails[t.id] = t
	if _, ok := s.since[name]; !ok && !s.before.IsZero() {
		s.since[name] = s.before.Add(-grain) // a new name: what was rotated away from it since the last look was never seen under it
	}
	s.missed(name, now) // what was there before this one was renamed before this one was opened
	s.add(t)
}

// absent is called when a name leads to no file. That is usual, but for a link that leads nowhere for longer than a rotation takes.
func (s *Files) absent(name string, now time.Time, err error) {
	if !errors.Is(err, os.ErrNotExist) {
		s.bad(name, reasonOf(err), err)
		return
	}
	if _, lerr := os.Lstat(filepath.Join(s.real(filepath.Dir(name)), filepath.Base(name))); lerr != nil {
		delete(s.dangling, name)
		delete(s.trouble, name)
		return
	}
	since, ok := s.dangling[name]
	switch {
	case ok && now.Sub(since) >= s.o.Discover:
		s.bad(name, ReasonOpen, fmt.Errorf("a link that leads nowhere: %w", err))
	case !ok && len(s.dangling) > s.o.MaxFiles:
		clear(s.dangling)
		fallthrough
	case !ok:
		s.dangling[name] = now
	}
}

func (s *Files) add(t *tail) {
	if t.gone.IsZero() {
		s.since[t.path] = t.mtime
	}
	s.tails[t.id] = t
	s.order = append(s.order, t)
}

// copyOf reports whether a new file has the name and the beginning of what copytruncate leaves of one that is followed.
func (s *Files) copyOf(name string, f *os.File) bool {
	return slices.ContainsFunc(s.order, func(t *tail) bool {
		if t.opening.N < minCopy || !rotatedName(filepath.Base(t.path), filepath.Base(name)) {
			return false
		}
		same, _, err := t.opening.of(f)
		return err == nil && same
	})
}

// minCopy is how many equal bytes make a copy: short files may be alike by chance.
const minCopy = 16

func (s *Files) newTail(f *os.File, info os.FileInfo, path string) *tail {
	return &tail{
		f: f, path: path, id: idOf(info), opening: noOpening, size: info.Size(), mtime: info.ModTime(),
		format: s.o.Format.resolve(path), fields: map[string][]Field{}, join: joiner{join: &s.o.Join},
	}
}

// check sees for each file whether its name still leads to it, and whether it was cut.
func (s *Files) check(now time.Time, take func(Record)) {
	for _, t := range slices.Clone(s.order) {
		info, err := os.Stat(s.real(t.path))
		switch {
		case err == nil && idOf(info) == t.id:
			t.gone = time.Time{}
			s.well(t.path, ReasonOpen, ReasonDenied)
		case !t.gone.IsZero():
			info, err = t.f.Stat()
		case err == nil:
			t.gone = now
			s.refresh(t)
			s.renamed(t)
			s.again = true
			continue
		case errors.Is(err, os.ErrNotExist):
			t.gone = now
			s.refresh(t)
			s.renamed(t)
			continue
		}
		if err != nil {
			s.bad(t.path, reasonOf(err), err)
			continue
		}
		if info.Size() < t.read || info.Size() != t.size && !s.sameStart(t) {
			s.truncated(t, now, take)
		}
		t.size, t.mtime = info.Size(), info.ModTime()
		if t.gone.IsZero() {
			s.since[t.path] = t.mtime
		}
	}
	if s.again {
		s.look(now)
	}
}

// sameStart reports whether a file still begins as it did.
func (s *Files) sameStart(t *tail) bool {
	same, all, err := t.opening.of(t.f)
	if err != nil {
		s.bad(t.path, ReasonRead, err)
		return true
	}
	if same {
		t.opening = all
	}
	return same
}

// refresh reads the size of a file whose name leads elsewhere.
func (s *Files) refresh(t *tail) {
	if info, err := t.f.Stat(); err == nil {
		t.size, t.mtime = info.Size(), info.ModTime()
		s.since[t.path] = t.mtime
	}
}

// renamed gives a file that a pattern still matches its new name.
func (s *Files) renamed(t *tail) {
	for _, o := range s.siblings(t.path) {
		if idOf(o.info) == t.id && slices.ContainsFunc(s.o.Paths, func(p string) bool { ok, _ := filepath.Match(p, o.path); return ok }) {
			t.path, t.gone = o.path, time.Time{}
			return
		}
	}
}

// readAll reads up to budget bytes, chunk by chunk in turn. Files that were rotated away come first.
func (s *Files) readAll(now time.Time, budget int, take func(Record)) (more bool) {
	waiting := slices.DeleteFunc(slices.Clone(s.order), func(t *tail) bool { return t.read >= t.size })
	slices.SortStableFunc(waiting, func(a, b *tail) int { return btoi(a.gone.IsZero()) - btoi(b.gone.IsZero()) })
	for at := 0; len(waiting) > 0 && budget > 0; at++ {
		i := (at + s.turn) % len(waiting)
		if !waiting[0].gone.IsZero() {
			i = 0
		}
		t := waiting[i]
		n, err := t.step(&s.o, s.buf, now, take)
		budget -= max(n, 1)
		if t.failed = err != nil; t.failed {
			s.bad(t.path, ReasonRead, err)
		} else if n > 0 {
			s.well(t.path, ReasonRead)
		}
		if n == 0 || t.read >= t.size {
			waiting = slices.Delete(waiting, i, i+1)
		}
	}
	s.turn++
	return len(waiting) > 0
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// leave ends messages that waited long enough, and files that were rotated away and read.
func (s *Files) leave(now time.Time, take func(Record)) {
	for _, t := range slices.Clone(s.order) {
		if t.join.due(now) {
			t.join.flush(t.emit(&s.o, take))
		}
		if t.gone.IsZero() || t.read < t.size && !t.failed || now.Sub(t.gone) < s.o.Linger && !now.Before(t.gone) {
			continue
		}
		t.finish(&s.o, now, take)
		_ = t.f.Close() // only read
		delete(s.tails, t.id)
		s.order = slices.DeleteFunc(s.order, func(o *tail) bool { return o == t })
		s.ended = append(s.ended, ended{t.id, t.opening, t.done, t.mtime})
		if len(s.ended) > maxEnded {
			s.ended = slices.Delete(s.ended, 0, 1)
		}
	}
}

// finished returns how far a file was read before it was left.
func (s *Files) finished(id fileID, f *os.File) (int64, bool) {
	for _, e := range slices.Backward(s.ended) {
		if e.ID != id || e.Opening.N == 0 {
			continue
		}
		if same, _, err := e.Opening.of(f); err == nil && same {
			return e.Done, true
		}
	}
	return 0, false
}

func (s *Files) excluded(path string) bool {
	return slices.ContainsFunc(s.o.Exclude, func(p string) bool {
		whole, _ := filepath.Match(p, path)
		base, _ := filepath.Match(p, filepath.Base(path))
		return whole || base
	})
}

// bad reports a trouble with a file when it begins or changes.
func (s *Files) bad(name, reason string, err error) {
	if s.trouble[name] == reason {
		return
	}
	if len(s.trouble) > s.o.MaxFiles {
		clear(s.trouble)
	}
	s.trouble[name] = reason
	s.o.Reporter.Report(reason, fmt.Sprintf("%s: %v", name, err))
}

// well forgets a trouble that is over: it is reported when it comes again.
func (s *Files) well(name string, reasons ...string) {
	if slices.Contains(reasons, s.trouble[name]) {
		delete(s.trouble, name)
	}
}

func reasonOf(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return ReasonDenied
	}
	return ReasonOpen
}

// compressed reports whether a name has the ending of a compressed file.
func compressed(name string) bool {
	switch filepath.Ext(name) {
	case ".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z", ".lzma":
		return true
	}
	return false
}

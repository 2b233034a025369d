package follow

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// JournalOptions says what is read of the systemd journal. Dirs, MaxLine and Reporter are needed.
type JournalOptions struct {
	// Dirs are searched for *.journal, and *.journal~ that journald found unclean, themselves and one level below, where journald keeps a directory for each machine.
	Dirs []string
	// Units and Identifiers are patterns of path.Match for the unit and for SYSLOG_IDENTIFIER; what one of them matches is read, all when there is none.
	Units, Identifiers []string
	MaxLine            int
	FromStart          bool
	Discover           time.Duration
	Reporter           Reporter
}

// Journal is a Source of the systemd journal. It reads the files that journald writes, without journald's help and without its library; files that
// are archived keep their place.
type Journal struct {
	o      JournalOptions
	files  []*journalFile
	done   map[string]uint64 // entries read, by the id of the file, of all files that are there
	known  bool
	looked time.Time
	bad    map[string]bool
	fields map[[len(journalFields)]string][]Field
	values [len(journalFields)]string
}

// NewJournal returns a source. Nothing is opened before the first Read.
func NewJournal(o JournalOptions) *Journal {
	return &Journal{
		o: o, done: map[string]uint64{}, bad: map[string]bool{}, fields: map[[len(journalFields)]string][]Field{},
	}
}

// Read reads new entries, file by file.
func (s *Journal) Read(now time.Time, budget int, take func(Record)) (more bool) {
	s.look(now)
	for _, j := range slices.Clone(s.files) {
		if err := j.refresh(); err != nil {
			s.drop(j, err)
			continue
		}
		for j.done < j.entries && budget > 0 {
			n, err := s.one(j, take)
			if err != nil {
				s.drop(j, err)
				break
			}
			budget -= max(n, 256)
		}
		s.done[j.id] = max(s.done[j.id], j.done)
		if j.done < j.entries {
			more = more || !s.bad[j.id]
		} else if j.closed {
			s.leave(j)
		}
	}
	return more
}

// one reads one entry. What is wrong with it alone is reported and left out; an error is about the file.
func (s *Journal) one(j *journalFile, take func(Record)) (int, error) {
	at, err := j.next()
	if err != nil {
		return 0, err
	}
	text, cut, err := j.read(at, s.o.MaxLine, &s.values)
	if err != nil {
		s.o.Reporter.Report(ReasonFormat, fmt.Sprintf("%s: entry %d: %v", j.path, j.done, err))
		return 0, nil
	}
	if !wanted(s.o.Units, s.values[2]) || !wanted(s.o.Identifiers, s.values[3]) {
		return len(text), nil
	}
	if cut {
		s.o.Reporter.Report(ReasonCut, j.path)
	}
	take(Record{Text: text, Lines: 1, Bytes: int64(len(text)) + 1, Fields: s.fieldsOf(), Cut: cut})
	return len(text), nil
}

func wanted(patterns []string, value string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { ok, _ := filepath.Match(p, value); return ok })
}

// maxFieldSets bounds the memory of combinations of unit, priority and so on.
const maxFieldSets = 4096

func (s *Journal) fieldsOf() []Field {
	if f, ok := s.fields[s.values]; ok {
		return f
	}
	var out []Field
	for i, v := range s.values {
		if i > 0 && v != "" {
			out = append(out, Field{journalFields[i].name, v})
		}
	}
	if len(s.fields) >= maxFieldSets {
		clear(s.fields)
	}
	s.fields[s.values] = out
	return out
}

// look finds files that are new.
func (s *Journal) look(now time.Time) {
	if !s.looked.IsZero() && now.Sub(s.looked) < s.o.Discover && !now.Before(s.looked) {
		return
	}
	s.looked = now
	seen := map[string]bool{}
	for _, path := range s.glob() {
		id, err := identify(path)
		if err != nil {
			s.report(path, err)
			continue
		}
		if seen[id] = true; s.bad[id] || slices.ContainsFunc(s.files, func(j *journalFile) bool { return j.id == id }) {
			continue
		}
		s.open(path, id)
	}
	for id := range s.done {
		if !seen[id] {
			delete(s.done, id)
		}
	}
	for _, j := range slices.Clone(s.files) {
		if !seen[j.id] && j.done >= j.entries { // removed, and read
			s.leave(j)
		}
	}
	s.known = true
	slices.SortStableFunc(s.files, func(a, b *journalFile) int { return cmp.Compare(a.path, b.path) })
}

func (s *Journal) glob() (out []string) {
	for _, d := range s.o.Dirs {
		for _, pattern := range []string{"*.journal", "*/*.journal", "*.journal~", "*/*.journal~"} {
			names, _ := filepath.Glob(filepath.Join(d, pattern)) // a directory with a bad pattern in its name has no files
			out = append(out, names...)
		}
	}
	return out
}

// identify returns the id of the file at a path.
func identify(path string) (string, error) {
	j, err := openJournal(path)
	if err != nil {
		return "", err
	}
	defer j.close()
	return j.id, nil
}

// open begins to read a file where it was left, or at its end at the very first start.
func (s *Journal) open(path, id string) {
	done, known := s.done[id]
	j, err := openJournal(path)
	if err != nil {
		s.report(path, err)
		return
	}
	if !known && !s.known && !s.o.FromStart {
		done = j.entries
	}
	if err := j.seek(done); err != nil {
		j.close()
		s.bad[id] = true
		s.report(path, err)
		return
	}
	s.done[id] = j.done
	if j.closed && j.done >= j.entries {
		j.close()
		return
	}
	s.files = append(s.files, j)
}

func (s *Journal) leave(j *journalFile) {
	j.close()
	s.files = slices.DeleteFunc(s.files, func(o *journalFile) bool { return o == j })
}

// drop gives a file up.
func (s *Journal) drop(j *journalFile, err error) {
	s.bad[j.id] = true
	s.o.Reporter.Report(ReasonFormat, fmt.Sprintf("%s: it is not read on after entry %d: %v", j.path, j.done, err))
	s.leave(j)
}

func (s *Journal) report(path string, err error) {
	switch {
	case s.bad[path] || errors.Is(err, os.ErrNotExist):
		return
	case len(s.bad) > maxFieldSets:
		clear(s.bad)
	}
	s.bad[path] = true
	reason := reasonOf(err)
	if errors.Is(err, errJournal) {
		reason = ReasonFormat
	}
	s.o.Reporter.Report(reason, strings.TrimPrefix(fmt.Sprintf("%s: %v", path, err), path+": open "))
}

// Lag returns about how many bytes of the files are taken by entries that were not read.
func (s *Journal) Lag() (lag int64) {
	for _, j := range s.files {
		if j.entries > j.done {
			lag += int64(float64(j.size) * float64(j.entries-j.done) / float64(j.entries))
		}
	}
	return lag
}

// Open returns how many files are open.
func (s *Journal) Open() int { return len(s.files) }

// Close closes all files.
func (s *Journal) Close() {
	for _, j := range s.files {
		j.close()
	}
	s.files = nil
}

// Position returns how many entries of each file were read.
func (s *Journal) Position() (json.RawMessage, error) { return json.Marshal(s.done) }

// Restore takes a position of an earlier life.
func (s *Journal) Restore(b json.RawMessage) error {
	done := map[string]uint64{}
	if err := json.Unmarshal(b, &done); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	s.done, s.known = done, true
	return nil
}

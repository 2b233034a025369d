package follow

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

type filesPosition struct {
	Files []filePosition       `json:"files"`
	Ended []ended              `json:"ended,omitempty"`
	Since map[string]time.Time `json:"since,omitempty"`
}

type filePosition struct {
	Path    string    `json:"path"`
	ID      fileID    `json:"id"`
	Opening opening   `json:"opening"`
	Done    int64     `json:"done"`
	Size    int64     `json:"size"`
	MTime   time.Time `json:"mtime"`
	Gone    time.Time `json:"gone,omitzero"`
}

// Position returns how far each file was handed over.
func (s *Files) Position() (json.RawMessage, error) {
	s.prune()
	p := filesPosition{Ended: s.ended, Files: []filePosition{}, Since: s.since}
	for _, t := range slices.Concat(s.order, s.restored) {
		p.Files = append(p.Files, filePosition{t.path, t.id, t.opening, t.done, t.size, t.mtime, t.gone})
	}
	return json.Marshal(p)
}

// prune forgets paths that nothing leads to any more.
func (s *Files) prune() {
	if len(s.since) <= len(s.order)+len(s.o.Paths) {
		return
	}
	kept := map[string]time.Time{}
	for _, path := range s.o.Paths {
		if at, ok := s.since[path]; ok {
			kept[path] = at
		}
	}
	for _, t := range s.order {
		if at, ok := s.since[t.path]; ok {
			kept[t.path] = at
		}
	}
	s.since = kept
}

// Restore takes a position of an earlier life; the files are looked for by the first Read.
func (s *Files) Restore(b json.RawMessage) error {
	var p filesPosition
	if err := json.Unmarshal(b, &p); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	s.ended, s.known = p.Ended, true
	if p.Since != nil {
		s.since = p.Since
	}
	for _, f := range p.Files {
		t := &tail{
			path: f.Path, id: f.ID, opening: f.Opening, size: f.Size, mtime: f.MTime, gone: f.Gone,
			format: s.o.Format.resolve(f.Path), fields: map[string][]Field{}, join: joiner{join: &s.o.Join},
		}
		t.restart(f.Done)
		s.restored = append(s.restored, t)
	}
	return nil
}

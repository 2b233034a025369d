package digest

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/foreshock/foreshock/pkg/logs"
)

// templates mines one source and counts by template and level.
type templates struct {
	o      *Templates
	miner  *logs.Miner
	counts map[logs.ID]*templateCount
	tried  time.Time // when room was last looked for
	state  []byte
}

// templateCount is what one template counted since it has a series.
type templateCount struct {
	ID       logs.ID           `json:"id"`
	Messages [numLevels]uint64 `json:"messages"`
	Last     time.Time         `json:"last"`
}

func newTemplates(o *Templates) (*templates, error) {
	m, err := logs.New(o.options)
	if err != nil {
		return nil, err
	}
	return &templates{o: o, miner: m, counts: map[logs.ID]*templateCount{}}, nil
}

// take counts one message.
func (t *templates) take(text []byte, level Level, now time.Time, f *Figures) logs.Match {
	match := t.miner.Add(text, now)
	c := t.counts[match.ID]
	if match.Moved {
		t.move()
		c = t.counts[match.ID]
	}
	if c == nil {
		if len(t.counts) >= t.o.Published && !t.evict(now) {
			f.OverTemplates++
			return match
		}
		c = &templateCount{ID: match.ID}
		t.counts[match.ID] = c
	}
	c.Messages[level]++
	c.Last = now
	return match
}

// move ends the series of templates that became others. What they counted is not added to the others: a counter that jumps would look like a burst.
func (t *templates) move() {
	for id := range t.counts {
		if t.miner.Resolve(id) != id {
			delete(t.counts, id)
		}
	}
}

// keep is for how long a template that is not seen any more keeps its series although others have none.
const keep = 15 * time.Minute

// evict gives up the series of the templates that were seen least recently, if that is long ago.
func (t *templates) evict(now time.Time) bool {
	if now.Sub(t.tried) < time.Second && !now.Before(t.tried) {
		return false
	}
	t.tried = now
	n := len(t.counts)
	for id, c := range t.counts {
		if now.Sub(c.Last) > keep {
			delete(t.counts, id)
		}
	}
	return len(t.counts) < n
}

// save returns the state of the miner and the counts.
func (t *templates) save() ([]byte, []templateCount) {
	t.state = t.miner.Marshal()
	out := make([]templateCount, 0, len(t.counts))
	for _, c := range t.counts {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b templateCount) int { return cmp.Compare(a.ID, b.ID) })
	return t.state, out
}

func (t *templates) load(state []byte, counts []templateCount) error {
	m, err := logs.Restore(t.o.options, state)
	if err != nil {
		return err
	}
	t.miner, t.counts = m, map[logs.ID]*templateCount{}
	for _, c := range counts {
		t.counts[c.ID] = &c
	}
	return nil
}

// publish writes the figures.
func (t *templates) publish(f *Figures) {
	f.Miner = t.miner.Stats()
	f.Templates = make([]TemplateFigure, 0, len(t.counts))
	for id, c := range t.counts {
		v, ok := t.miner.Template(id)
		if !ok {
			continue
		}
		f.Templates = append(f.Templates, TemplateFigure{ID: id, Text: v.Text, Messages: c.Messages, Last: c.Last, Rarity: v.Rarity, Shifts: v.Shifts})
	}
	slices.SortFunc(f.Templates, func(a, b TemplateFigure) int { return cmp.Compare(a.ID, b.ID) })
	o, state := t.o.options, t.state
	f.All = sync.OnceValue(func() []logs.Template { // made when somebody asks, and once: the state holds all that is to be told
		m, err := logs.Restore(o, state)
		if err != nil {
			return nil
		}
		return m.Templates()
	})
}

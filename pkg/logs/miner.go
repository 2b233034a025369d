package logs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Miner finds the templates of one source's lines. It is not safe for concurrent use.
type Miner struct {
	o          Options
	lex        lexer
	signatures map[string]*signature
	buckets    map[string]*bucket
	byID       map[ID]*template
	moves      moves
	rates      rates
	stats      Stats
	held       int    // memory of the templates, roughly
	remembered int    // memory of the signatures, roughly
	clock      uint64 // lines so far: what was seen least recently has the smallest tick

	now  int64
	line []byte
	last *signature
}

// Stats are totals since the miner was made, and what it holds now.
type Stats struct {
	Lines      uint64 // added
	Cut        uint64 // longer than MaxLine
	Created    uint64 // templates that were new
	Forgotten  uint64 // templates forgotten because MaxTemplates was reached
	Merged     uint64 // templates that became part of another
	Shifts     uint64 // times a template's rate left its usual range
	Templates  int
	Signatures int
}

// signature is one masked line, with the template that it belongs to.
type signature struct {
	t     *template
	b     *bucket
	bgen  uint32 // the bucket's when the template was chosen
	cols  []column
	watch []watch
	gen   uint32 // the template's when watch was made
	tick  uint64
	bytes int
}

// Memory that a template and a signature may take on average: with the limits on their number it bounds the memory, whatever the lines are like. Usual ones take a
// quarter of it.
const (
	templateBytes  = 4096
	signatureBytes = 1024
	columnBytes    = 96
)

// watch is a place of the masked line whose text was the same so far.
type watch struct {
	slot, col, hole int32
	value           string
}

// Match is what became of a line.
type Match struct {
	ID ID
	// New: this line is the first of its template.
	New bool
	// Moved: with this line templates became one, or one got another id; Moves tells which.
	Moved bool
}

// New returns an empty miner.
func New(o Options) (*Miner, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("log templates: %w", err)
	}
	m := &Miner{o: o, signatures: map[string]*signature{}, buckets: map[string]*bucket{}, byID: map[ID]*template{}, moves: moves{to: map[ID]ID{}}}
	m.rates.window = time.Duration(o.Window).Nanoseconds()
	if len(o.Protected) > 0 {
		m.lex.extra = map[string]bool{}
		for _, w := range o.Protected {
			m.lex.extra[strings.ToLower(w)] = true
		}
	}
	m.lex.masks = o.masks()
	return m, nil
}

// Add counts a line, which is not kept, and returns its template. A time that goes back changes nothing but the times that are told.
func (m *Miner) Add(line []byte, at time.Time) Match {
	if len(line) > m.o.MaxLine {
		line = line[:m.o.MaxLine]
		m.stats.Cut++
	}
	m.lex.run(line)
	m.line, m.now = line, at.UnixNano()
	if m.now >= m.rates.end {
		m.turn(m.now)
	}
	m.stats.Lines++
	m.clock++
	var match Match
	s, ok := m.signatures[string(m.lex.key)]
	if !ok {
		s, match = m.learn()
	}
	s.tick = m.clock
	if s.bgen != s.b.gen {
		m.again(s)
	}
	t := s.t
	if s.gen != t.gen {
		s.rewatch()
	}
	if len(s.watch) > 0 && m.check(s) && m.cover(t) {
		match.Moved = true
		m.again(s)
		t = s.t
	}
	t.count++
	t.recent++
	t.tick = m.clock
	t.first = min(t.first, m.now)
	t.last = max(t.last, m.now)
	m.last = s
	match.ID = t.id
	return match
}

// check looks whether a place that was always the same has changed: then it is a variable. It reports whether there was one.
func (m *Miner) check(s *signature) bool {
	w, varied := 0, false
	for i := range m.lex.parts {
		p := &m.lex.parts[i]
		for w < len(s.watch) && s.watch[w].slot < p.slot {
			w++
		}
		if w == len(s.watch) {
			break
		}
		if p.slot == s.watch[w].slot {
			if string(m.line[p.start:p.end]) != s.watch[w].value {
				s.t.vary(int(s.watch[w].col), int(s.watch[w].hole), m.now)
				varied = true
			}
			w++
		}
	}
	return varied
}

// learn places a masked line that is not remembered.
func (m *Miner) learn() (*signature, Match) {
	key := string(m.lex.key)
	cols, shape := columnsOf(key)
	m.fill(cols)
	s := &signature{cols: cols, tick: m.clock, bytes: len(key) + 2*columnBytes*len(cols)}
	for len(m.signatures) > 0 && (len(m.signatures) >= m.o.MaxSignatures || m.remembered+s.bytes > signatureBytes*m.o.MaxSignatures) {
		m.forgetSignatures()
	}
	match := m.place(shape, s)
	s.gen = s.t.gen - 1
	m.signatures[key] = s
	m.remembered += s.bytes
	return s, match
}

// fill puts the kinds of the places and the texts of the weak ones into the columns.
func (m *Miner) fill(cols []column) {
	slot, p := int32(0), 0
	for c := range cols {
		for i := range cols[c].weak {
			for p < len(m.lex.parts) && m.lex.parts[p].slot < slot {
				p++
			}
			cols[c].kinds[i] = m.lex.parts[p].kind
			if cols[c].at(i) == maybe {
				cols[c].weak[i] = string(m.line[m.lex.parts[p].start:m.lex.parts[p].end])
			}
			slot++
		}
	}
}

// forgetSignatures drops the eighth that was seen least recently. Their templates stay.
func (m *Miner) forgetSignatures() {
	ticks := make([]uint64, 0, len(m.signatures))
	for _, s := range m.signatures {
		ticks = append(ticks, s.tick)
	}
	slices.Sort(ticks)
	limit := ticks[len(ticks)/8]
	for k, s := range m.signatures {
		if s.tick <= limit {
			delete(m.signatures, k)
			m.remembered -= s.bytes
		}
	}
}

// forgetTemplates drops the eighth that was seen least recently, with their masked lines.
func (m *Miner) forgetTemplates() {
	all := make([]*template, 0, len(m.byID))
	for _, t := range m.byID {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *template) int {
		return cmp.Or(cmp.Compare(a.tick, b.tick), cmp.Compare(a.id, b.id))
	})
	for _, t := range all[:len(all)/8+1] {
		t.gone = true
		m.held -= t.bytes
		delete(m.byID, t.id)
		t.b.remove(t)
		if len(t.b.ts) == 0 {
			delete(m.buckets, t.b.shape)
		}
		m.stats.Forgotten++
	}
	for k, s := range m.signatures {
		if s.t.live().gone {
			delete(m.signatures, k)
			m.remembered -= s.bytes
		}
	}
}

// Stats returns the totals.
func (m *Miner) Stats() Stats {
	s := m.stats
	s.Templates, s.Signatures = len(m.byID), len(m.signatures)
	return s
}

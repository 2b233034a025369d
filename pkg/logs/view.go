package logs

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// Template is what is known of one template. Times are those of lines, in UTC.
type Template struct {
	ID    ID
	Text  string // <*> stands for what varies
	Count uint64 // lines, with those of the templates that became part of it
	First time.Time
	Last  time.Time
	// Example is the first line, shortened, with secrets masked.
	Example string
	// Steps are the texts that it had, the first and the latest ones, each with the time since when.
	Steps []Step
	// Slots are the places in the text, the first one first. Those of Constant are shown as their word until a second one is seen.
	Slots []Slot
	// Rarity is the surprise of such a line in bits, -log2 of its share of all lines: 1 for every second line, 20 for one in a million.
	Rarity float64
	// Usual is the mean number of lines in a window, NaN before it is known; Shifts is how often a window left the usual range.
	Usual  float64
	Shifts uint64
}

// Step is a text that a template had.
type Step struct {
	Since time.Time
	Text  string
}

// Slot is a place in a template.
type Slot struct {
	Kind     Kind
	Constant bool
}

// Variable is a part of the last line that stands in a slot of its template. A list is several of them in one slot. Text belongs to the line.
type Variable struct {
	Slot int
	Kind Kind
	Text []byte
}

// Templates returns all templates, those with the most lines first.
func (m *Miner) Templates() []Template {
	all := make([]Template, 0, len(m.byID))
	for _, t := range m.byID {
		all = append(all, m.view(t))
	}
	slices.SortFunc(all, func(a, b Template) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Template returns the template of that id, or the one that it became.
func (m *Miner) Template(id ID) (Template, bool) {
	t, ok := m.byID[m.moves.resolve(id)]
	if !ok {
		return Template{}, false
	}
	return m.view(t), true
}

// Text returns the text of the template of that id, or of the one that it became; empty if it was forgotten.
func (m *Miner) Text(id ID) string {
	if t, ok := m.byID[m.moves.resolve(id)]; ok {
		return t.text
	}
	return ""
}

// Rarity returns the surprise of a line of that template in bits; with an unknown id, that of a template never seen.
func (m *Miner) Rarity(id ID) float64 {
	var count uint64
	if t, ok := m.byID[m.moves.resolve(id)]; ok {
		count = t.count
	}
	return m.rarity(count)
}

// rarity adds one to every count: the surprise of a template never seen is finite.
func (m *Miner) rarity(count uint64) float64 {
	return math.Log2(float64(m.stats.Lines+uint64(len(m.byID))+1) / float64(count+1))
}

func (m *Miner) view(t *template) Template {
	v := Template{
		ID: t.id, Text: t.text, Count: t.count, First: time.Unix(0, t.first).UTC(), Last: time.Unix(0, t.last).UTC(), Example: t.example,
		Rarity: m.rarity(t.count), Usual: math.NaN(), Shifts: t.rate.shifts,
	}
	if t.rate.windows >= minWindows {
		v.Usual = t.rate.mean
	}
	for _, s := range t.steps {
		v.Steps = append(v.Steps, Step{time.Unix(0, s.at).UTC(), s.text})
	}
	for c := range t.cols {
		for i, k := range t.cols[c].kinds {
			v.Slots = append(v.Slots, Slot{k, t.cols[c].at(i) == maybe})
		}
	}
	return v
}

// Variables appends the variable parts of the line that was added last, which must not have changed since; a line that is not the last one has none.
func (m *Miner) Variables(dst []Variable) []Variable {
	if m.last == nil {
		return dst
	}
	s, t := m.last, m.last.t.live()
	slot, own, p := 0, int32(0), 0
	parts := m.lex.parts
	for c := range s.cols {
		mine, of := &s.cols[c], &t.cols[c]
		from := p
		for p < len(parts) && parts[p].slot < own+int32(len(mine.weak)) {
			p++
		}
		switch {
		case mine.sure == of.sure:
			for _, x := range parts[from:p] {
				dst = append(dst, Variable{slot + int(x.slot-own), x.kind, m.line[x.start:x.end]})
			}
		case from == p: // a word where the template has a place
			dst = append(dst, Variable{slot, KindWord, []byte(mine.text)})
		default:
			dst = append(dst, Variable{slot, KindText, m.line[parts[from].start:parts[p-1].end]})
		}
		own += int32(len(mine.weak))
		slot += len(of.weak)
	}
	return dst
}

// Number returns the value of a variable that is a number, a hexadecimal number or a duration (in seconds); false for others.
func (v Variable) Number() (float64, bool) {
	s := strings.Trim(string(v.Text), "<>~")
	if v.Kind == KindHex {
		return hexadecimal(s)
	}
	if v.Kind != KindNumber && v.Kind != KindDuration {
		return 0, false
	}
	return quantity(s)
}

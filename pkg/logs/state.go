package logs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/foreshock/foreshock/pkg/wire"
)

// layout names the form of the state; another form takes another name. The first one may hold words that are masked as secrets since, so it is not read.
const layout = "foreshock logs 2"

// Marshal returns all that a miner learnt, but for the masked lines that it remembers to be fast: a restored miner gives every line the same template.
func (m *Miner) Marshal() []byte {
	s := m.stats
	w := wire.Writer{}.Text(layout)
	w = w.Ints(int64(s.Lines), int64(s.Cut), int64(s.Created), int64(s.Forgotten), int64(s.Merged), int64(s.Shifts), m.rates.window, m.rates.end, int64(m.clock))
	w = w.Ints(int64(len(m.byID)))
	for _, id := range slices.Sorted(maps.Keys(m.byID)) {
		w = m.byID[id].marshal(w)
	}
	w = w.Ints(int64(len(m.moves.list)))
	for _, v := range m.moves.list {
		w = w.Ints(int64(v.From), int64(v.To), v.At.UnixNano())
	}
	return w
}

func (t *template) marshal(w wire.Writer) wire.Writer {
	w = w.Text(t.b.shape).Ints(int64(t.b.room), int64(len(t.cols)))
	for i := range t.cols {
		c := &t.cols[i]
		w = w.Text(c.text)
		for k := range c.weak {
			w = w.Text(c.weak[k]).Ints(int64(c.kinds[k]))
		}
	}
	w = w.Ints(int64(t.count), int64(t.recent), int64(t.born), int64(t.tick), t.first, t.last, bit(t.loose)).Text(t.example).Ints(int64(len(t.steps)))
	for _, s := range t.steps {
		w = w.Ints(s.at).Text(s.text)
	}
	return w.Floats(t.rate.mean, t.rate.variance).Ints(int64(t.rate.windows), int64(t.rate.shifts), bit(t.rate.off))
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Restore returns a miner with the given options that goes on from what Marshal returned. Where fewer templates are allowed than the state holds, those
// seen least recently are forgotten. Any other bytes are an error.
func Restore(o Options, state []byte) (*Miner, error) {
	m, err := New(o)
	if err != nil {
		return nil, err
	}
	r := wire.NewReader(state)
	if name := r.Text(); name != layout {
		return nil, fmt.Errorf("log templates: state of another version: %w", wire.ErrCorrupt)
	}
	s := &m.stats
	for _, to := range []*uint64{&s.Lines, &s.Cut, &s.Created, &s.Forgotten, &s.Merged, &s.Shifts} {
		*to = uint64(r.Int())
	}
	window, end := r.Int(), r.Int()
	if window == m.rates.window {
		m.rates.end = end
	}
	m.clock = uint64(r.Int())
	for n := r.Int(); n > 0; n-- {
		if !m.readTemplate(r, window == m.rates.window) {
			break
		}
	}
	for n := r.Int(); n > 0; n-- {
		from, to, at := ID(r.Int()), ID(r.Int()), r.Int()
		if from == 0 && to == 0 && at == 0 {
			break
		}
		m.moves.list = append(m.moves.list, Move{from, to, time.Unix(0, at).UTC()})
		delete(m.moves.to, to)
		m.moves.to[from] = to
	}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("log templates: %w", err)
	}
	for len(m.byID) > m.o.MaxTemplates || len(m.byID) > 0 && m.held > templateBytes*m.o.MaxTemplates {
		m.forgetTemplates()
	}
	for _, b := range m.buckets {
		slices.SortFunc(b.ts, func(a, b *template) int { return cmp.Compare(a.id, b.id) })
	}
	return m, nil
}

// readTemplate reports whether a sound template came.
func (m *Miner) readTemplate(r *wire.Reader, sameWindow bool) bool {
	shape, room := r.Text(), r.Int()
	t := &template{}
	n := r.Int()
	if n < 0 || n != int64(holesOf(shape)) {
		r.Fail()
		return false
	}
	t.cols = make([]column, n)
	for i := range t.cols {
		c := &t.cols[i]
		c.text = r.Text()
		c.sure = firm(c.text)
		k := places(c.text)
		if c.text == "" {
			r.Fail()
			return false
		}
		if k > 0 {
			c.weak, c.kinds = make([]string, k), make([]Kind, k)
		}
		for j := range k {
			c.weak[j], c.kinds[j] = r.Text(), Kind(r.Int())
		}
	}
	t.count, t.recent, t.born, t.tick, t.first, t.last = uint64(r.Int()), uint64(r.Int()), uint64(r.Int()), uint64(r.Int()), r.Int(), r.Int()
	t.loose = r.Int() == 1
	t.example = redact(r.Text())
	for k := r.Int(); k > 0; k-- {
		s := step{r.Int(), redact(r.Text())}
		if len(t.steps) == maxSteps {
			r.Fail()
			return false
		}
		t.steps = append(t.steps, s)
	}
	t.rate = rate{mean: r.Float(), variance: r.Float(), windows: uint32(r.Int()), shifts: uint64(r.Int()), off: r.Int() == 1}
	if !sameWindow {
		t.rate, t.recent = rate{shifts: t.rate.shifts}, 0
	}
	b := m.buckets[shape]
	if b == nil {
		b = &bucket{shape: shape}
	}
	b.room = int(min(max(room, 0), 1<<20))
	t.b = b
	t.identify()
	if m.byID[t.id] != nil {
		r.Fail()
		return false
	}
	m.buckets[shape] = b
	b.ts = append(b.ts, t)
	m.byID[t.id] = t
	t.text = t.render()
	t.bytes = t.weigh()
	m.held += t.bytes
	return true
}

func holesOf(shape string) int {
	n := 0
	for i := range len(shape) {
		if shape[i] == hole {
			n++
		}
	}
	return n
}

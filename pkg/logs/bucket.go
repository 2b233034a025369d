package logs

import "cmp"

// bucket holds the templates of one shape.
type bucket struct {
	shape string
	ts    []*template
	room  int    // templates from which on it is crowded, where the option's number was no help
	gen   uint32 // grows when templates of it become others: then remembered lines are placed again
}

func (b *bucket) remove(t *template) {
	kept := b.ts[:0]
	for _, u := range b.ts {
		if u != t {
			kept = append(kept, u)
		}
	}
	clear(b.ts[len(kept):])
	b.ts = kept
}

// place finds or makes the template of a new signature.
func (m *Miner) place(shape string, s *signature) Match {
	var match Match
	b := m.buckets[shape]
	if b != nil {
		if t := m.nearest(b, s.cols); t != nil {
			s.t = t
			match.Moved = m.widen(t, s.cols)
			return m.settle(b, s, match)
		}
	}
	for len(m.byID) > 0 && (len(m.byID) >= m.o.MaxTemplates || m.held > templateBytes*m.o.MaxTemplates) {
		m.forgetTemplates()
		b = m.buckets[shape]
	}
	if b == nil {
		b = &bucket{shape: shape}
		m.buckets[shape] = b
	}
	t := &template{b: b, cols: cloneAll(s.cols), first: m.now, last: m.now, born: m.clock, tick: m.clock, example: Redact(m.line)}
	t.identify()
	t.text = t.render()
	t.steps = []step{{m.now, t.text}}
	t.bytes = t.weigh()
	m.held += t.bytes
	b.ts = append(b.ts, t)
	m.byID[t.id] = t
	m.stats.Created++
	match.New = true
	s.t = t
	return m.settle(b, s, match)
}

// settle merges what the new signature made alike.
func (m *Miner) settle(b *bucket, s *signature, match Match) Match {
	if m.gather(b, s.t) {
		m.cover(s.t.live())
		match.Moved = true
	}
	if len(b.ts) > max(m.o.Bucket, b.room) {
		m.crowded(b)
		b.room = 2 * len(b.ts) // what protected words keep apart is not tried again with every line
		match.Moved = true
	}
	s.t, s.b, s.bgen = s.t.live(), b, b.gen
	return match
}

// again places a remembered line anew, after templates of its bucket became others.
func (m *Miner) again(s *signature) {
	s.t, s.bgen = s.t.live(), s.b.gen
	if t := m.nearest(s.b, s.cols); t != nil {
		s.t = t
	}
	s.gen = s.t.gen - 1
}

// nearest returns the template that has these columns, or has them with the fewest places for words, or nil. Of equals the smallest id, so that the order of
// templates does not matter.
func (m *Miner) nearest(b *bucket, cols []column) *template {
	var best *template
	least := 0
	for _, t := range b.ts {
		d := m.distance(t, cols)
		if d < 0 {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(d, least), cmp.Compare(t.id, best.id)) < 0 {
			best, least = t, d
		}
	}
	return best
}

// distance counts the columns in which one side has a place and the other a word, -1 where the two are not alike.
func (m *Miner) distance(t *template, cols []column) int {
	d, context := 0, 0
	for i := range cols {
		x, y := &t.cols[i], &cols[i]
		switch {
		case x.sure == y.sure:
			if x.meaning() {
				context++
			}
			continue
		case x.text == wildcard:
			x = y
		case y.text == wildcard:
		default:
			return -1
		}
		if m.guarded(x.text) {
			return -1
		}
		d++
	}
	if d > 0 && context < m.o.Context-1 && !t.loose {
		return -1
	}
	return d
}

func (m *Miner) guarded(w string) bool { return m.lex.protected([]byte(w)) }

// widen makes the template cover the columns; it reports whether the id changed.
func (m *Miner) widen(t *template, cols []column) bool {
	changed, id := false, false
	for i := range cols {
		x, y := &t.cols[i], &cols[i]
		if x.text == wildcard && y.text != wildcard {
			continue
		}
		if x.sure != y.sure {
			x.wild()
			changed, id = true, true
			continue
		}
		for k := range y.weak {
			if x.at(k) == maybe && (y.at(k) != maybe || x.weak[k] != y.weak[k]) {
				x.set(k)
				changed = true
			}
			if x.kinds[k] != y.kinds[k] {
				x.kinds[k] = KindText
			}
		}
	}
	if !changed {
		return false
	}
	t.changed(m.now)
	return id && m.reidentify(t)
}

// reidentify gives a template the id of its columns. Where another one has them already, the two are one.
func (m *Miner) reidentify(t *template) bool {
	old := t.id
	t.identify()
	if t.id == old {
		return false
	}
	delete(m.byID, old)
	t.b.gen++
	m.moves.add(old, t.id, m.now)
	if other := m.byID[t.id]; other != nil {
		m.widen(other, t.cols) // a place that was always the same there may not be here
		m.merge(other, t)
		return true
	}
	m.byID[t.id] = t
	return true
}

// absorb makes u part of t: t covers both.
func (m *Miner) absorb(t, u *template) *template {
	m.widen(t, u.cols)
	if t = t.live(); t == u {
		return t
	}
	delete(m.byID, u.id)
	m.moves.add(u.id, t.id, m.now)
	m.merge(t, u)
	return t
}

// cover takes in the templates that t has a place for.
func (m *Miner) cover(t *template) bool {
	moved := false
	for _, u := range append([]*template(nil), t.b.ts...) {
		if u != t.live() && u.into == nil && m.distance(t.live(), u.cols) >= 0 {
			t = m.absorb(t.live(), u)
			moved = true
		}
	}
	return moved
}

// merge makes u part of t, whose columns already cover it.
func (m *Miner) merge(t, u *template) {
	t.count += u.count
	t.recent += u.recent
	t.first = min(t.first, u.first)
	t.last = max(t.last, u.last)
	t.tick = max(t.tick, u.tick)
	t.rate.mean += u.rate.mean
	t.rate.variance += u.rate.variance
	t.rate.windows = max(t.rate.windows, u.rate.windows)
	t.rate.shifts += u.rate.shifts
	t.loose = t.loose || u.loose
	if u.born < t.born {
		t.born, t.example = u.born, u.example
		t.steps = append(u.steps[:1:1], step{m.now, t.text})
	}
	u.into = t
	m.held -= u.bytes
	t.b.gen++
	t.b.remove(u)
	m.stats.Merged++
}

// maxColumns is how wide a line may be to have its siblings looked for: the time for that grows with the square.
const maxColumns = 256

// gather looks for siblings of t: templates equal to it but for one column. From so many on, that column is a variable.
func (m *Miner) gather(b *bucket, t *template) bool {
	moved := false
	for again := true; again; {
		again = false
		if len(b.ts) < max(2, m.o.Siblings-1) || len(t.cols) > maxColumns {
			break
		}
		words := 0
		for c := range t.cols {
			if t.cols[c].meaning() {
				words++
			}
		}
		for c := range t.cols {
			context := words
			if t.cols[c].meaning() {
				context--
			}
			if context < m.o.Context || t.cols[c].text == wildcard || m.guarded(t.cols[c].text) {
				continue
			}
			like := m.siblings(b, t, c)
			if len(like)+1 < m.o.enough(context) {
				continue
			}
			for _, u := range like {
				if u.into == nil {
					t = m.absorb(t.live(), u)
				}
			}
			moved, again = true, true
			break
		}
	}
	return moved
}

// siblings returns the templates that are equal to t but for column c.
func (m *Miner) siblings(b *bucket, t *template, c int) []*template {
	var like []*template
	for _, u := range b.ts {
		if u != t && m.alike(t.cols, u.cols, c) {
			like = append(like, u)
		}
	}
	return like
}

// alike reports whether the columns are equal but for c.
func (m *Miner) alike(a, b []column, c int) bool {
	for i := range a {
		if i != c && a[i].sure != b[i].sure {
			return false
		}
	}
	return !m.guarded(b[c].text)
}

// crowded makes room in a shape with too many templates: the column with the most different words becomes a variable, until half of the room is free.
// Protected words stay what they are.
func (m *Miner) crowded(b *bucket) {
	if len(b.ts) == 0 {
		return
	}
	done := make([]bool, len(b.ts[0].cols))
	for len(b.ts) > m.o.Bucket/2 {
		column, most := -1, 1
		for c := range done {
			if done[c] {
				continue
			}
			words := map[string]bool{}
			for _, t := range b.ts {
				if !m.guarded(t.cols[c].text) {
					words[t.cols[c].sure] = true
				}
			}
			if len(words) > most {
				column, most = c, len(words)
			}
		}
		if column < 0 {
			return
		}
		done[column] = true
		for _, t := range append([]*template(nil), b.ts...) {
			if t.into != nil || m.guarded(t.cols[column].text) || t.cols[column].text == wildcard {
				continue
			}
			t.cols[column].wild()
			t.loose = true
			t.changed(m.now)
			m.reidentify(t)
		}
	}
}

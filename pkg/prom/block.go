package prom

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock/pkg/series"
)

// block is a piece of an answer at absolute times. It is never written once made, but for note and key, which are set
// before it is shared.
type block struct {
	key     blockKey
	grid    series.Grid
	members []blockMember // those with a value in it, sorted by labels
	infos   []string
	notices []Notice // of the answer it came from
	hash    uint64   // of members
	fetched int64
	bytes   int64
	note    NoticeKind // what became of the history before it, "" = nothing
}

type blockMember struct {
	labels series.Labels
	hash   uint64 // of labels
	values []float64
}

// newBlock copies a part of an answer, so that it keeps nothing else of it alive.
func newBlock(answer Answer, grid series.Grid, now int64) *block {
	b := &block{grid: grid, fetched: now, infos: answer.Infos, notices: answer.Notices, bytes: 512}
	from := int((grid.Start - answer.Set.Grid.Start) / grid.Step)
	var present []int
	for i, m := range answer.Set.Members {
		if slices.ContainsFunc(m.Values[from:from+grid.N], func(v float64) bool { return v == v }) {
			present = append(present, i)
		}
	}
	values := make([]float64, len(present)*grid.N)
	b.members = make([]blockMember, len(present))
	h := fnv.New64a()
	var word [8]byte
	for k, i := range present {
		m := answer.Set.Members[i]
		v := values[k*grid.N : (k+1)*grid.N : (k+1)*grid.N]
		copy(v, m.Values[from:])
		b.members[k] = blockMember{labels: m.Labels, hash: m.Labels.Hash(), values: v}
		b.bytes += memberCost(m.Labels, grid.N)
		binary.LittleEndian.PutUint64(word[:], b.members[k].hash)
		h.Write(word[:])
		binary.LittleEndian.PutUint64(word[:], hashValues(v))
		h.Write(word[:])
	}
	b.hash = h.Sum64()
	return b
}

// hashValues mixes the bits of all values, all NaN being one (FNV-1a over words, with a shift so that high bits matter).
func hashValues(values []float64) uint64 {
	h := uint64(14695981039346656037)
	for _, v := range values {
		bits := math.Float64bits(v)
		if v != v {
			bits = 0x7ff8000000000001
		}
		h = (h ^ bits) * 1099511628211
		h ^= h >> 29
	}
	return h
}

// changedTo tells whether the samples of b were only removed, as retention does, or are others now.
func (b *block) changedTo(fresh *block) NoticeKind {
	for _, m := range fresh.members {
		i := slices.IndexFunc(b.members, func(o blockMember) bool { return o.hash == m.hash && o.labels.Equal(m.labels) })
		if i < 0 {
			return NoticeHistoryChanged
		}
		for k, v := range m.values {
			if v == v && v != b.members[i].values[k] {
				return NoticeHistoryChanged
			}
		}
	}
	return NoticeHistoryGone
}

// assemble stitches the blocks and the tail. It reports false when the union of their series is beyond the limits, where
// only the source can say which to keep.
func (q *blocksQuery) assemble() (Answer, bool) {
	u := union{grid: q.grid, limits: q.o.Limits, members: map[uint64][]*series.Series{}}
	out := Answer{Set: series.Set{Grid: q.grid}}
	said := remarks{warnings: q.warnings, infos: nil}
	var notices []Notice
	var notes historyNotes
	for i := q.first; i <= q.last; i++ {
		b := q.have[i]
		for _, m := range b.members {
			if !u.add(m.labels, m.hash, b.grid, m.values) {
				return Answer{}, false
			}
		}
		said.add(remarks{infos: b.infos})
		notices = mergeNotices(notices, b.notices)
		notes.add(b)
	}
	for _, m := range q.rest.Set.Members {
		if !u.add(m.Labels, m.Labels.Hash(), m.Grid, m.Values) {
			return Answer{}, false
		}
	}
	said.add(remarks{q.rest.Warnings, q.rest.Infos})
	slices.Sort(said.warnings)
	slices.Sort(said.infos)
	out.Set.Members = u.sorted()
	out.Warnings, out.Infos = said.warnings, said.infos
	out.Notices = append(mergeNotices(notices, q.rest.Notices), notes.notices()...)
	return out, true
}

// union collects the series of several pieces on one grid.
type union struct {
	grid    series.Grid
	limits  Limits
	members map[uint64][]*series.Series // by hash of labels
	n       int
	bytes   int64
}

// add copies the values that lie in the grid, if there are any. It reports whether the limits still hold.
func (u *union) add(labels series.Labels, hash uint64, grid series.Grid, values []float64) bool {
	i, j := grid.Clamp(u.grid.Start, u.grid.End())
	part := values[i:j]
	if !slices.ContainsFunc(part, func(v float64) bool { return v == v }) {
		return true
	}
	var to *series.Series
	for _, m := range u.members[hash] {
		if m.Labels.Equal(labels) {
			to = m
		}
	}
	if to == nil {
		if u.n++; u.n > u.limits.MaxSeries {
			return false
		}
		if u.bytes += memberCost(labels, u.grid.N); u.bytes > u.limits.MaxBytes {
			return false
		}
		s := series.New(labels, u.grid)
		to = &s
		u.members[hash] = append(u.members[hash], to)
	}
	copy(to.Values[(grid.At(i)-u.grid.Start)/u.grid.Step:], part)
	return true
}

func (u *union) sorted() []series.Series {
	var out []series.Series
	for _, same := range u.members {
		for _, m := range same {
			out = append(out, *m)
		}
	}
	slices.SortFunc(out, func(a, b series.Series) int { return a.Labels.Compare(b.Labels) })
	return out
}

// mergeNotices keeps one notice of each kind, the one that concerns most.
func mergeNotices(to, more []Notice) []Notice {
	to = slices.Clone(to)
	for _, n := range more {
		i := slices.IndexFunc(to, func(o Notice) bool { return o.Kind == n.Kind })
		if i < 0 {
			to = append(to, n)
		} else if n.Count > to[i].Count {
			to[i] = n
		}
	}
	return to
}

// historyNotes collects which blocks are not what they were.
type historyNotes struct{ changed, gone []int64 } // starts

func (h *historyNotes) add(b *block) {
	switch b.note {
	case NoticeHistoryChanged:
		h.changed = append(h.changed, b.grid.Start)
	case NoticeHistoryGone:
		h.gone = append(h.gone, b.grid.Start)
	}
}

func (h *historyNotes) notices() []Notice {
	var out []Notice
	for _, x := range []struct {
		kind   NoticeKind
		starts []int64
		text   string
	}{
		{NoticeHistoryChanged, h.changed, "are not what they were when read before: the present ones are used, and verdicts may differ from those given then"},
		{NoticeHistoryGone, h.gone, "were there when read before and are partly gone now"},
	} {
		if n := len(x.starts); n > 0 {
			from, to := x.starts[0], x.starts[n-1]
			out = append(out, Notice{Kind: x.kind, Count: n, Text: fmt.Sprintf("the samples of %s %s", dates(from, to), x.text)})
		}
	}
	return out
}

func dates(from, to int64) string {
	a, b := time.UnixMilli(from).UTC().Format(time.DateOnly), time.UnixMilli(to).UTC().Format(time.DateOnly)
	if a == b {
		return a
	}
	return a + " to " + b
}

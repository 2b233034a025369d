package prom

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/series"
)

// history is what a store knows at a time: series with lives and gaps, whose samples arrive up to `late` after their time.
type history struct {
	n      int
	late   int64
	now    atomic.Int64
	change atomic.Int64 // the time of a sample that is not what it was
	gone   atomic.Int64
}

func (h *history) members(_ string, grid series.Grid) []series.Series {
	var out []series.Series
	for k := range h.n {
		s := series.New(named(k), grid)
		for i := range s.Values {
			s.Values[i] = h.value(k, grid.At(i))
		}
		out = append(out, s)
	}
	return out
}

func (h *history) value(k int, t int64) float64 {
	x := uint64(t)*0x9e3779b97f4a7c15 ^ uint64(k)*0xff51afd7ed558ccd
	x ^= x >> 31
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 29
	days := t / day
	switch {
	case t+int64(x>>8)%(h.late+1) > h.now.Load(), // not here yet
		t < h.gone.Load(),
		k%3 == 1 && days%5 < 2, // series that come and go
		x%17 == 0:              // gaps
		return math.NaN()
	}
	v := float64(x%100_000) / 7
	if t == h.change.Load() {
		v += 1e-3
	}
	return v
}

// The answer through the cache is the answer of the source, for any grid, while time goes on and samples come late.
func TestBlocksAreInvisible(t *testing.T) {
	t.Parallel()
	const settle = 10 * time.Minute
	h := &history{n: 7, late: settle.Milliseconds()}
	s := newScripted(t, h.members)
	for _, o := range []Options{{}, {Limits: Limits{MaxSeries: 4}}, {Limits: Limits{MaxBytes: 200_000}}} {
		c := s.client(t, o)
		b := NewBlocks(c, BlocksOptions{Settle: settle, MaxBytes: 300_000})
		r := rand.New(rand.NewPCG(3, uint64(o.MaxSeries)))
		now := base
		steps := []int64{60_000, 601_000, 905_500, 3_600_000, 3_600_000, 7 * 3_600_000, 86_400_000, 100_000_000}
		for i := range 25 {
			now += r.Int64N(3 * 3_600_000)
			h.now.Store(now)
			step := steps[r.IntN(len(steps))]
			to := now - r.Int64N(int64(1+r.IntN(10))*day) + r.Int64N(2)*day
			grid := series.GridOver(to-r.Int64N(9*day), to, step)
			want, err := c.Range(background, "x", grid)
			got, err2 := b.Range(background, "x", grid, now)
			if kind(err) != kind(err2) {
				t.Fatalf("%d %+v: %v, %v", i, grid, err, err2)
			}
			if d := cmp.Diff(want, got, setOptions); d != "" {
				t.Fatalf("%d: now %d, %+v, -source +blocks:\n%.1500s", i, now, grid, d)
			}
		}
		stats := b.Stats()
		if o.MaxSeries == 0 && (stats.Hits == 0 || stats.Misses == 0) || stats.Changed > 0 {
			t.Errorf("the test does not test: %+v", stats)
		}
		if o.MaxSeries == 0 && o.MaxBytes == 0 && stats.Evicted == 0 {
			t.Errorf("nothing was evicted: %+v", stats)
		}
	}
}

// askedFor runs a query and tells which grids the server was asked for.
func askedFor(t *testing.T, s *scripted, b *Blocks, grid series.Grid, now int64) []series.Grid {
	t.Helper()
	s.takeAsked()
	if _, err := b.Range(background, "x", grid, now); err != nil {
		t.Fatal(err)
	}
	asked := s.takeAsked()
	slices.SortFunc(asked, func(a, b series.Grid) int { return int(a.Start - b.Start) })
	return asked
}

func TestBlocksAskOnlyForWhatIsMissing(t *testing.T) {
	t.Parallel()
	h := &history{n: 2}
	s := newScripted(t, h.members)
	b := NewBlocks(s.client(t, Options{}), BlocksOptions{})
	midnight := series.Floor(base, day)
	now := midnight + 6*3_600_000
	h.now.Store(now)
	minute := func(from, to int64) series.Grid {
		return series.Grid{Start: from, Step: 60_000, N: int((to - from) / 60_000)}
	}
	for _, c := range []struct {
		what string
		grid series.Grid
		now  int64
		want []series.Grid
	}{
		// Seven whole days fit into one request of 11,000 points, the eighth and today into another.
		{"cold", minute(midnight-8*day+3600_000, now), now, []series.Grid{minute(midnight-8*day, midnight-day), minute(midnight-day, now)}},
		{"again", minute(midnight-8*day+3600_000, now), now, []series.Grid{minute(midnight, now)}},
		{"only the past", minute(midnight-3*day, midnight-2*day+60_000), now, nil},
		{"one more day", minute(midnight-9*day, midnight), now, []series.Grid{minute(midnight-9*day, midnight-8*day)}},
		{"not settled", minute(midnight, midnight+day), midnight + day + 60_000, []series.Grid{minute(midnight, midnight+day)}},
		{"not settled yet", minute(midnight, midnight+day), midnight + day + 9*60_000, []series.Grid{minute(midnight, midnight+day)}},
		{"settled", minute(midnight+day-60_000, midnight+day), midnight + day + 10*60_000, []series.Grid{minute(midnight, midnight+day)}},
		{"sealed", minute(midnight, midnight+day), midnight + day + 10*60_000, nil},
	} {
		h.now.Store(c.now)
		if got := askedFor(t, s, b, c.grid, c.now); !cmp.Equal(got, c.want) {
			t.Errorf("%s: asked %+v, want %+v", c.what, got, c.want)
		}
	}
}

// An answer with a warning is used but not kept.
func TestBlocksWithWarnings(t *testing.T) {
	t.Parallel()
	h := &history{n: 2}
	h.now.Store(base)
	s := newScripted(t, h.members)
	b := NewBlocks(s.client(t, Options{}), BlocksOptions{})
	grid := series.Grid{Start: series.Floor(base, day) - 3*day, Step: 60_000, N: 1440}
	s.warnings = []string{"a store did not answer"}
	for range 2 {
		answer, err := b.Range(background, "x", grid, base)
		if err != nil || !slices.Equal(answer.Warnings, s.warnings) || len(answer.Set.Members) == 0 {
			t.Errorf("got %v %v", answer.Warnings, err)
		}
	}
	if n := len(s.takeAsked()); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
	s.warnings = nil
	askedFor(t, s, b, grid, base)
	if asked := askedFor(t, s, b, grid, base); len(asked) != 0 {
		t.Errorf("asked %v after a clean answer", asked)
	}
}

// A day after it was read a block is read again; what changed wins and is said until the next reading.
func TestBlocksHistoryChanges(t *testing.T) {
	t.Parallel()
	h := &history{n: 2}
	s := newScripted(t, h.members)
	c := s.client(t, Options{})
	b := NewBlocks(c, BlocksOptions{})
	midnight := series.Floor(base, day)
	grid := series.Grid{Start: midnight - 3*day, Step: 60_000, N: 2 * 1440}
	now := midnight + 3600_000
	h.now.Store(now)
	ask := func(what string, asked int, kinds ...NoticeKind) {
		t.Helper()
		s.takeAsked()
		got, err := b.Range(background, "x", grid, now)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(s.takeAsked()); n != asked {
			t.Errorf("%s: asked %d times, want %d", what, n, asked)
		}
		var gotKinds []NoticeKind
		for _, n := range got.Notices {
			gotKinds = append(gotKinds, n.Kind)
			if n.Kind == NoticeHistoryChanged && !strings.Contains(n.Text, time.UnixMilli(midnight-2*day).UTC().Format(time.DateOnly)) {
				t.Errorf("%s: the notice does not tell the day: %s", what, n.Text)
			}
		}
		if !slices.Equal(gotKinds, kinds) {
			t.Errorf("%s: notices %v, want %v", what, gotKinds, kinds)
		}
		if asked > 0 {
			want, _ := c.Range(background, "x", grid)
			if d := cmp.Diff(want.Set, got.Set, setOptions); d != "" {
				t.Errorf("%s: the new content does not win:\n%.500s", what, d)
			}
			s.takeAsked()
		}
	}
	ask("cold", 1)
	h.change.Store(midnight - 2*day + 60_000)
	ask("cached", 0)
	now += day
	ask("read again", 1, NoticeHistoryChanged)
	ask("still said", 0, NoticeHistoryChanged)
	now += day
	ask("read again, same", 1)
	h.gone.Store(midnight - 3*day + 7200_000)
	now += day
	ask("retention", 1, NoticeHistoryGone)
	if got := b.Stats().Changed; got != 2 {
		t.Errorf("changed %d, want 2", got)
	}
}

// Many callers at once ask the server once, and one who gives up does not spoil it for the others.
func TestBlocksSingleFlight(t *testing.T) {
	t.Parallel()
	h := &history{n: 2}
	h.now.Store(base)
	s := newScripted(t, h.members)
	s.gate = make(chan struct{})
	b := NewBlocks(s.client(t, Options{}), BlocksOptions{})
	midnight := series.Floor(base, day)
	grid := series.Grid{Start: midnight - 3*day, Step: 60_000, N: 1440}
	leader, giveUp := context.WithCancel(background)
	led := make(chan error, 1)
	go func() { _, err := b.Range(leader, "x", grid, base); led <- err }()
	for len(s.takeAsked()) == 0 { // until the leader's request is at the server
		time.Sleep(time.Millisecond)
	}
	followers := make(chan error, 8)
	for range cap(followers) {
		go func() {
			got, err := b.Range(background, "x", grid, base)
			if err == nil && len(got.Set.Members) == 0 {
				t.Error("empty answer")
			}
			followers <- err
		}()
	}
	giveUp()
	if err := <-led; kind(err) != KindCanceled {
		t.Errorf("leader: %v", err)
	}
	close(s.gate)
	for range cap(followers) {
		if err := <-followers; err != nil {
			t.Errorf("follower: %v", err)
		}
	}
	if n := len(s.takeAsked()); n != 1 {
		t.Errorf("the followers asked %d times, want 1", n)
	}
}

// A failing fetch fails for all who wait for it, is not kept, and the next call asks again.
func TestBlocksErrorsAreNotKept(t *testing.T) {
	t.Parallel()
	source := &flaky{}
	b := NewBlocks(source, BlocksOptions{})
	grid := series.Grid{Start: series.Floor(base, day) - 9*day, Step: 60_000, N: 9 * 1440}
	if _, err := b.Range(background, "x", grid, base); kind(err) != KindUnavailable {
		t.Errorf("got %v", err)
	}
	source.ok.Store(true)
	if _, err := b.Range(background, "x", grid, base); err != nil {
		t.Errorf("got %v", err)
	}
}

type flaky struct{ ok atomic.Bool }

func (f *flaky) Range(_ context.Context, _ string, grid series.Grid) (Answer, error) {
	if !f.ok.Load() {
		return Answer{}, &Error{Kind: KindUnavailable, Text: "down"}
	}
	return Answer{Set: series.Set{Grid: grid}}, nil
}

// Memory is bounded, and what counts is counted.
func TestBlocksBytes(t *testing.T) {
	t.Parallel()
	h := &history{n: 3}
	h.now.Store(base)
	s := newScripted(t, h.members)
	const limit = 200_000
	b := NewBlocks(s.client(t, Options{}), BlocksOptions{MaxBytes: limit})
	midnight := series.Floor(base, day)
	for i := range int64(12) {
		askedFor(t, s, b, series.Grid{Start: midnight - (i+1)*day, Step: 60_000, N: 1440}, base)
		stats := b.Stats()
		if stats.Bytes > limit || stats.Bytes < int64(stats.Blocks)*2*1440*8 {
			t.Fatalf("after %d days: %+v", i+1, stats)
		}
	}
	if stats := b.Stats(); stats.Evicted == 0 || stats.Blocks == 0 {
		t.Errorf("%+v", stats)
	}
	// The last one used is still there.
	if asked := askedFor(t, s, b, series.Grid{Start: midnight - 12*day, Step: 60_000, N: 1440}, base); len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
}

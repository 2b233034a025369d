package detect

import (
	"container/list"
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
	"unsafe"

	"github.com/foreshock/foreshock/pkg/series"
)

// Fits keeps fitted models by the content of what they were fitted on, so that panels, alert rules and the scorer share them. A fit that
// several callers ask for at once is made once. It holds at most its number of bytes; the least recently used go first. The nil Fits keeps nothing.
type Fits struct {
	limit int64
	seeds [2]maphash.Seed

	mu    sync.Mutex
	used  int64
	known map[fitKey]*list.Element // of *fit
	order *list.List               // front: most recently used
	stats FitStats
	// results are what fits said; nil where that is not kept.
	results *results
}

// FitStats counts what a cache did since it was made.
type FitStats struct {
	// Hits were answered from the cache, Misses were fitted, Evicted fits were dropped for room.
	Hits, Misses, Evicted uint64
	// Bytes and Models are the fits that it holds now.
	Bytes  int64
	Models int
}

// fitKey is 128 bits of hash over everything that a fit depends on.
type fitKey [2]uint64

// fit is one model, or one in the making.
type fit struct {
	key   fitKey
	done  chan struct{}
	model encoding.BinaryMarshaler
	err   error
	bytes int64
}

// overhead is what one entry costs besides its model: key, list element, map entry.
const overhead = 256

// NewFits returns an empty cache for that many bytes of models.
func NewFits(limit int64) *Fits {
	return &Fits{limit: limit, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, known: map[fitKey]*list.Element{}, order: list.New()}
}

// Stats returns the counts.
func (f *Fits) Stats() FitStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Bytes, s.Models = f.used, f.order.Len()
	return s
}

// fit returns the model for that training window, from the cache when it holds it. Errors that stem from the data are kept like models.
func (f *Fits) fit(ctx context.Context, j Judge, train Train) (Model, error) {
	return shared(ctx, f, j.fitted(train), func() (Model, error) { return j.Detector.Fit(train) })
}

// fitted is all that the fit to a training window depends on.
func (j Judge) fitted(train Train) fitWindow {
	s := train.Series
	return fitWindow{name: j.Name, options: j.Detector, labels: s.Labels, grid: s.Grid, zone: train.Zone, n: train.N, m: train.M, values: [][]float64{s.Values}}
}

// fitWindow is all that a fit depends on.
type fitWindow struct {
	// kind tells the shapes of detectors apart, whose names may be the same.
	kind, name string
	options    any
	labels     series.Labels
	grid       series.Grid
	zone       *time.Location
	n, m       int
	// names are those of the rows of values, where there are several.
	names  []string
	values [][]float64
}

// shared returns what make fits to the window, or what it did before.
func shared[M encoding.BinaryMarshaler](ctx context.Context, f *Fits, w fitWindow, fitted func() (M, error)) (M, error) {
	var none M
	if f == nil {
		return fitted()
	}
	key, err := f.key(w)
	if err != nil {
		return none, err
	}
	f.mu.Lock()
	if e, ok := f.known[key]; ok {
		f.order.MoveToFront(e)
		f.stats.Hits++
		f.mu.Unlock()
		have := e.Value.(*fit)
		select {
		case <-have.done:
			if have.err != nil {
				return none, have.err
			}
			return have.model.(M), nil
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
	made := &fit{key: key, done: make(chan struct{}), bytes: overhead}
	f.known[key] = f.order.PushFront(made)
	f.used += made.bytes
	f.stats.Misses++
	f.mu.Unlock()

	f.make(made, func() (encoding.BinaryMarshaler, error) { return fitted() })
	if made.err != nil {
		return none, made.err
	}
	return made.model.(M), nil
}

// make fits, and settles the entry whatever happens: a fit that panics must not leave others waiting.
func (f *Fits) make(made *fit, fitted func() (encoding.BinaryMarshaler, error)) {
	made.err = errors.New("the fit did not finish")
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if made.err == nil {
			size := int64(0)
			if b, err := made.model.MarshalBinary(); err == nil {
				size = int64(len(b))
			}
			made.bytes += size
			f.used += size
		}
		close(made.done)
		f.evict()
	}()
	made.model, made.err = fitted()
}

// evict drops the least recently used finished fits until the rest fits in. Called with the lock held.
func (f *Fits) evict() {
	for e := f.order.Back(); e != nil && f.used > f.limit; {
		old := e
		e = e.Prev()
		entry := old.Value.(*fit)
		select {
		case <-entry.done:
		default:
			continue // in the making
		}
		f.order.Remove(old)
		delete(f.known, entry.key)
		f.used -= entry.bytes
		f.stats.Evicted++
	}
}

// key hashes the samples, their labels (which seed what is random) and grid, the detector with its options, the zone and the episode rule.
func (f *Fits) key(w fitWindow) (fitKey, error) {
	options, err := json.Marshal(w.options)
	if err != nil {
		return fitKey{}, fmt.Errorf("detector %s: write its options: %w", w.name, err)
	}
	zone := ""
	if w.zone != nil {
		zone = w.zone.String()
	}
	head := fmt.Sprintf("%s\x00%s\x00%s\x00%s\x00%d\x00%d %d %d\x00%d %d\x00%q", w.kind, w.name, options, zone, w.labels.Hash(), w.grid.Start, w.grid.Step, w.grid.N, w.n, w.m, w.names)
	var key fitKey
	for i := range key {
		var h maphash.Hash
		h.SetSeed(f.seeds[i])
		_, _ = h.WriteString(head)
		for _, v := range w.values {
			if len(v) > 0 {
				_, _ = h.Write(unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 8*len(v)))
			}
		}
		key[i] = h.Sum64()
	}
	return key, nil
}

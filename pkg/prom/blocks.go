package prom

import (
	"container/list"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/foreshock/foreshock/pkg/series"
)

// Ranger answers range queries on an absolute grid; *Client is one.
type Ranger interface {
	Range(ctx context.Context, expr string, grid series.Grid) (Answer, error)
}

// BlocksOptions of a cache; a zero field means the default given with it.
type BlocksOptions struct {
	MaxBytes int64         // memory of all blocks, labels included, 256 MiB; the least recently used go first
	Settle   time.Duration // age from which history is taken as final, 10 min: at least the out-of-order window of the source
	Recheck  time.Duration // age of a block after which it is read again, 24 h: history does change
	Limits   Limits        // of one answer: those of the source, from which they are taken when it is a *Client
}

// day is the length of a block, rounded up to whole steps.
const day = int64(24 * 60 * 60 * 1000)

// maxBlockSamples: with steps below a second a day is too much to fetch for what is asked.
const maxBlockSamples = day / 1000

// directFor is how long a query that hit a limit is asked without blocks.
const directFor = int64(60 * 60 * 1000)

// Blocks answers range queries from a cache of sealed blocks: runs of a day, at absolute times, of the answer to one
// expression at one step. A block is sealed, and kept, when it lies wholly more than Settle in the past and its answer came
// without warnings and without cuts; what is younger is always asked for. Blocks asked for by several callers at once are
// fetched once, and neighbouring ones in one request. A sealed block is read again when it is older than Recheck; when it
// then differs the new content wins, and answers from it carry a notice until the next reading.
//
// The answer is that of the source for the same grid, as long as the source's history does not change. Expressions that
// depend on the range of their query (@ start(), @ end()) must not be asked. Safe for concurrent use; it starts no
// goroutine that outlives a call.
type Blocks struct {
	source Ranger
	o      BlocksOptions

	mu      sync.Mutex
	cached  map[blockKey]*list.Element // of *block
	recent  *list.List                 // front = used last
	bytes   int64
	flights map[blockKey]*flight
	direct  map[queryKey]int64 // until when, in the caller's time
	stats   BlocksStats
}

// BlocksStats counts since the beginning, but for Blocks and Bytes, which are of now.
type BlocksStats struct {
	Hits, Misses     uint64 // blocks wanted that were, were not in the cache
	Evicted, Changed uint64 // blocks that went for room, that had changed when read again
	Blocks           int
	Bytes            int64
}

type queryKey struct {
	expr string
	step int64
}

type blockKey struct {
	queryKey
	index int64 // start / length
}

// flight is a fetch of a run of blocks that others may wait for.
type flight struct {
	done      chan struct{}
	blocks    map[int64]*block // by index; set before done is closed, as are:
	warnings  []string
	cut       bool
	err       error
	abandoned bool // its caller gave up: try again
}

// NewBlocks returns an empty cache before source.
func NewBlocks(source Ranger, o BlocksOptions) *Blocks {
	if c, ok := source.(*Client); ok {
		o.Limits = c.limits
	}
	o.Limits = o.Limits.withDefaults()
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	if o.Settle <= 0 {
		o.Settle = 10 * time.Minute
	}
	if o.Recheck <= 0 {
		o.Recheck = 24 * time.Hour
	}
	return &Blocks{source: source, o: o, cached: map[blockKey]*list.Element{}, recent: list.New(), flights: map[blockKey]*flight{}, direct: map[queryKey]int64{}}
}

// Stats tells how the cache does.
func (b *Blocks) Stats() BlocksStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Blocks, s.Bytes = b.recent.Len(), b.bytes
	return s
}

// Range is Client.Range through the cache; now is the time in Unix milliseconds.
func (b *Blocks) Range(ctx context.Context, expr string, grid series.Grid, now int64) (Answer, error) {
	expr = strings.TrimSpace(expr)
	if grid.N <= 0 || grid.Step <= 0 || series.Floor(grid.Start, grid.Step) != grid.Start {
		return b.source.Range(ctx, expr, grid)
	}
	q := &blocksQuery{Blocks: b, key: queryKey{expr, grid.Step}, grid: grid, now: now, have: map[int64]*block{}}
	q.plan()
	if q.samples > maxBlockSamples || q.isDirect() {
		return b.source.Range(ctx, expr, grid)
	}
	for first := true; first || len(q.have) < q.wanted(); first = false {
		if err := q.round(ctx, first); err != nil {
			return Answer{}, err
		}
		if q.cut {
			break
		}
	}
	if !q.cut {
		if answer, ok := q.assemble(); ok {
			return answer, nil
		}
	}
	q.setDirect()
	return b.source.Range(ctx, expr, grid)
}

// blocksQuery is one call of Range.
type blocksQuery struct {
	*Blocks
	key  queryKey
	grid series.Grid
	now  int64

	samples     int64 // of a block
	first, last int64 // indices of the blocks wanted; none when last < first
	tail        series.Grid

	have     map[int64]*block
	rest     Answer // of the tail
	warnings []string
	cut      bool
}

// plan divides the grid into blocks that can be sealed and the tail that cannot.
func (q *blocksQuery) plan() {
	step := q.grid.Step
	q.samples = (day + step - 1) / step
	length := q.samples * step
	q.first = series.Floor(q.grid.Start, length) / length
	q.last = series.Floor(q.grid.At(q.grid.N-1), length) / length
	q.last = min(q.last, series.Floor(q.now-q.o.Settle.Milliseconds(), length)/length-1)
	i, _ := q.grid.Clamp((q.last+1)*length, q.grid.End())
	q.tail = q.grid.Slice(i, q.grid.N)
}

func (q *blocksQuery) wanted() int { return int(max(0, q.last-q.first+1)) }

func (q *blocksQuery) blockGrid(index int64, n int64) series.Grid {
	return series.Grid{Start: index * q.samples * q.grid.Step, Step: q.grid.Step, N: int(n * q.samples)}
}

func (q *blocksQuery) isDirect() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	until, ok := q.direct[q.key]
	return ok && q.now < until && until-q.now <= directFor
}

func (q *blocksQuery) setDirect() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.direct) > 1000 {
		clear(q.direct)
	}
	q.direct[q.key] = q.now + directFor
}

// run is a request: blocks that follow each other, and maybe the tail behind them.
type run struct {
	index, n int64
	tail     series.Grid
	flight   *flight
}

// round takes what the cache has, fetches what nobody fetches yet, and waits for what others fetch. What an abandoned
// fetch of theirs leaves out is for the next round.
func (q *blocksQuery) round(ctx context.Context, first bool) error {
	runs, waits := q.claim()
	if first && q.tail.N > 0 {
		runs = q.addTail(runs)
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(q.o.Limits.MaxConcurrent)
	var mu sync.Mutex // of q, in this round
	for _, r := range runs {
		group.Go(func() error {
			answer, err := q.source.Range(groupCtx, q.key.expr, r.grid(q))
			q.land(r, answer, err, groupCtx.Err() != nil)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if r.flight != nil {
				q.take(r.flight)
			}
			if r.tail.N > 0 {
				q.rest = answer
				q.cut = q.cut || answer.Cut()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, f := range waits {
		select {
		case <-f.done:
		case <-ctx.Done():
			return contextError(ctx)
		}
		switch {
		case f.err == nil:
			q.take(f)
		case !f.abandoned:
			return f.err
		}
	}
	return nil
}

// contextError is the error of waiting for another caller's fetch.
func contextError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Kind: KindTimeout, Text: "no answer in time", cause: ctx.Err()}
	}
	return &Error{Kind: KindCanceled, Text: "the request was canceled", cause: context.Canceled}
}

// take uses the blocks of a flight that was wanted.
func (q *blocksQuery) take(f *flight) {
	for i, block := range f.blocks {
		if i >= q.first && i <= q.last {
			q.have[i] = block
		}
	}
	q.warnings = appendNew(q.warnings, f.warnings...)
	q.cut = q.cut || f.cut
}

// claim looks up all blocks still wanted: cached ones are taken, missing ones become runs that this call must fetch.
func (q *blocksQuery) claim() (runs []run, waits []*flight) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := map[*flight]bool{}
	for i := q.first; i <= q.last; i++ {
		if q.have[i] != nil {
			continue
		}
		key := blockKey{q.key, i}
		if f := q.flights[key]; f != nil {
			if !waiting[f] {
				waiting[f] = true
				waits = append(waits, f)
			}
			continue
		}
		if e := q.cached[key]; e != nil && q.now-e.Value.(*block).fetched < q.o.Recheck.Milliseconds() {
			q.recent.MoveToFront(e)
			q.have[i] = e.Value.(*block)
			q.stats.Hits++
			continue
		}
		q.stats.Misses++
		last := len(runs) - 1
		if last >= 0 && runs[last].index+runs[last].n == i && (runs[last].n+1)*q.samples <= maxPoints {
			runs[last].n++
		} else {
			runs = append(runs, run{index: i, n: 1, flight: &flight{done: make(chan struct{})}})
			last++
		}
		q.flights[key] = runs[last].flight
	}
	return runs, waits
}

// addTail lets the last run fetch the tail as well, where they touch and fit into one request.
func (q *blocksQuery) addTail(runs []run) []run {
	if last := len(runs) - 1; last >= 0 {
		r := &runs[last]
		if r.index+r.n-1 == q.last && r.n*q.samples+int64(q.tail.N) <= maxPoints {
			r.tail = q.tail
			return runs
		}
	}
	return append(runs, run{tail: q.tail})
}

// grid is all that the run asks for.
func (r run) grid(q *blocksQuery) series.Grid {
	if r.flight == nil {
		return r.tail
	}
	g := q.blockGrid(r.index, r.n)
	g.N += r.tail.N
	return g
}

// land publishes the outcome of a run: to those who wait, and to the cache what can be sealed.
func (q *blocksQuery) land(r run, answer Answer, err error, abandoned bool) {
	f := r.flight
	if f == nil {
		return
	}
	if err != nil {
		f.err, f.abandoned = err, abandoned
	} else {
		f.warnings, f.cut = answer.Warnings, answer.Cut()
		f.blocks = make(map[int64]*block, r.n)
		for i := range r.n {
			f.blocks[r.index+i] = newBlock(answer, q.blockGrid(r.index+i, 1), q.now)
		}
	}
	q.mu.Lock()
	for i := range r.n {
		key := blockKey{q.key, r.index + i}
		delete(q.flights, key)
		if f.err == nil && len(f.warnings) == 0 && !f.cut {
			q.store(key, f.blocks[r.index+i])
		}
	}
	q.mu.Unlock()
	close(f.done)
}

// store puts a sealed block into the cache, marks it when it is not what it was, and makes room. Callers hold the lock.
func (b *Blocks) store(key blockKey, fresh *block) {
	if e := b.cached[key]; e != nil {
		old := e.Value.(*block)
		if old.hash != fresh.hash {
			fresh.note = old.changedTo(fresh)
			b.stats.Changed++
		}
		b.remove(e)
	}
	if fresh.bytes > b.o.MaxBytes {
		return
	}
	fresh.key = key
	b.cached[key] = b.recent.PushFront(fresh)
	b.bytes += fresh.bytes
	for b.bytes > b.o.MaxBytes {
		b.remove(b.recent.Back())
		b.stats.Evicted++
	}
}

func (b *Blocks) remove(e *list.Element) {
	old := b.recent.Remove(e).(*block)
	delete(b.cached, old.key)
	b.bytes -= old.bytes
}

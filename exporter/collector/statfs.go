package collector

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// mountTimeout is node_exporter's default.
	mountTimeout = 5 * time.Second
	// statWorkers is how many mounts are asked at once when they are slow.
	statWorkers = 16
	// slowStat is how long a mount may take before another worker goes on with the next one. A local file system answers within microseconds, so
	// that one worker does them all.
	slowStat = 10 * time.Millisecond
	// maxStuck bounds the threads that hang in the kernel. Nothing can wake a thread that waits for a dead NFS server.
	maxStuck = 128
)

// What the device_error label says of a mount that was not read; other texts are those of the system call. The first is node_exporter's.
const (
	troubleTimeout = "mountpoint timeout"
	troubleSkipped = "not asked: too many mounts hang"
)

// answer is what asking one mount gave: its usage, or in one phrase why there is none.
type answer struct {
	usage   Usage
	trouble string
}

// statter asks mounts for their usage and survives those that never answer: a call that does not return keeps its thread, its mount is marked
// stuck and is not asked again until that very call has returned. At most maxStuck calls hang at the same time.
type statter struct {
	statfs  func(string) (Usage, error)
	workers int
	log     *slog.Logger

	mu    sync.Mutex
	stuck map[string]time.Time
}

func newStatter(statfs func(string) (Usage, error), workers int, log *slog.Logger) *statter {
	return &statter{statfs: statfs, workers: workers, log: log, stuck: map[string]time.Time{}}
}

// asking is one round of questions. Everything but results is guarded by statter.mu.
type asking struct {
	paths   []string
	next    int
	pending map[int]struct{} // asked, not answered
	closed  bool             // nobody listens any more
	results chan indexed     // has room for every answer, so that a late worker never blocks
}

type indexed struct {
	i int
	a answer
}

// ask returns one answer for each path, in order, when all have answered or ctx has ended. The paths differ from each other.
func (s *statter) ask(ctx context.Context, paths []string) []answer {
	answers := make([]answer, len(paths))
	r := &asking{pending: map[int]struct{}{}, results: make(chan indexed, len(paths))}
	index := make([]int, 0, len(paths)) // place in r.paths → place in paths
	s.mu.Lock()
	for i, p := range paths {
		if _, hangs := s.stuck[p]; hangs {
			answers[i] = answer{trouble: troubleTimeout}
			continue
		}
		r.paths = append(r.paths, p)
		index = append(index, i)
	}
	workers := min(s.workers, maxStuck-len(s.stuck))
	s.mu.Unlock()

	left, running := len(r.paths), 0
	if workers > 0 && left > 0 {
		go s.work(r)
		running = 1
	}
	tick := time.NewTicker(slowStat)
	defer tick.Stop()
	for left > 0 && running > 0 && ctx.Err() == nil {
		select {
		case x := <-r.results:
			answers[index[x.i]] = x.a
			left--
		case <-tick.C:
			if running < min(workers, left) {
				running++
				go s.work(r)
			}
		case <-ctx.Done():
		}
	}
	if left > 0 {
		s.giveUp(r, index, answers)
	}
	return answers
}

// work asks one mount after the other until none is left or the round is over.
func (s *statter) work(r *asking) {
	for {
		s.mu.Lock()
		if r.closed || r.next == len(r.paths) {
			s.mu.Unlock()
			return
		}
		i := r.next
		r.next++
		r.pending[i] = struct{}{}
		s.mu.Unlock()

		var a answer
		u, err := s.statfs(r.paths[i])
		if err != nil {
			a.trouble = err.Error()
		} else {
			a.usage = u
		}

		s.mu.Lock()
		delete(r.pending, i)
		if since, hung := s.stuck[r.paths[i]]; hung && r.closed {
			delete(s.stuck, r.paths[i])
			s.log.Info("A mount answers again", "path", r.paths[i], "after", time.Since(since).Round(time.Millisecond))
		}
		r.results <- indexed{i, a} // never blocks; under the lock, so that an answer is either pending or in results
		s.mu.Unlock()
	}
}

// giveUp ends a round: takes the answers that came at the last moment, marks what was asked in vain as stuck and what was not asked as skipped.
func (s *statter) giveUp(r *asking, index []int, answers []answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.closed = true
	for place, i := range index {
		if place >= r.next {
			answers[i] = answer{trouble: troubleSkipped}
		}
	}
	for place := range r.pending {
		answers[index[place]] = answer{trouble: troubleTimeout}
		s.stuck[r.paths[place]] = time.Now()
		s.log.Warn("A mount does not answer; it is left out until it does", "path", r.paths[place])
	}
	for range len(r.results) {
		x := <-r.results
		answers[index[x.i]] = x.a
	}
}

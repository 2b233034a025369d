package stage

import (
	"context"
	"sync"
)

// locks are mutual exclusion by name, within this process. They only save work:
// what keeps receivers apart is the version of each row.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	free    chan struct{} // holds one token while nobody has the lock
	waiters int
}

// lock takes all names, which are sorted and each given once, so that nobody
// waits in a circle. The returned function gives them back.
func (l *locks) lock(ctx context.Context, names []string) (unlock func(), err error) {
	for i, name := range names {
		if err := l.take(ctx, name); err != nil {
			l.give(names[:i])
			return nil, err
		}
	}
	return func() { l.give(names) }, nil
}

func (l *locks) take(ctx context.Context, name string) error {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*lock{}
	}
	k := l.held[name]
	if k == nil {
		k = &lock{free: make(chan struct{}, 1)}
		k.free <- struct{}{}
		l.held[name] = k
	}
	k.waiters++
	l.mu.Unlock()
	select {
	case <-k.free:
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		l.leave(name, k)
		l.mu.Unlock()
		return ctx.Err()
	}
}

func (l *locks) give(names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range names {
		k := l.held[name]
		k.free <- struct{}{}
		l.leave(name, k)
	}
}

// leave forgets a lock that nobody holds or waits for; l.mu is held.
func (l *locks) leave(name string, k *lock) {
	if k.waiters--; k.waiters == 0 {
		delete(l.held, name)
	}
}

package api

import (
	"context"
	"sync"
	"time"
)

// memo keeps answers of the store for a short time, so that pages that refresh themselves on many screens cost one reading, not one each.
// Askers of one key wait for the one who reads. An error is not kept.
type memo[K comparable, V any] struct {
	ttl time.Duration
	max int // entries; the oldest goes first
	now func() time.Time

	mu  sync.Mutex
	all map[K]*kept[V]
}

type kept[V any] struct {
	reading chan struct{} // a slot for the one who reads
	mu      sync.Mutex
	at      time.Time
	v       V
}

// get is the answer for the key: a kept one, or what read says now.
func (m *memo[K, V]) get(ctx context.Context, key K, read func(context.Context) (V, error)) (V, error) {
	k := m.entry(key)
	if v, ok := k.fresh(m.now(), m.ttl); ok {
		return v, nil
	}
	var none V
	select {
	case k.reading <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	defer func() { <-k.reading }()
	if v, ok := k.fresh(m.now(), m.ttl); ok { // somebody else read it meanwhile
		return v, nil
	}
	v, err := read(ctx)
	if err != nil {
		return none, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.v, k.at = v, m.now()
	return v, nil
}

func (k *kept[V]) fresh(now time.Time, ttl time.Duration) (V, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	age := now.Sub(k.at)
	return k.v, !k.at.IsZero() && age >= 0 && age < ttl
}

func (m *memo[K, V]) entry(key K) *kept[V] {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k, ok := m.all[key]; ok {
		return k
	}
	if m.all == nil {
		m.all = map[K]*kept[V]{}
	}
	for len(m.all) >= m.max {
		var oldest K
		var at time.Time
		first := true
		for other, k := range m.all {
			k.mu.Lock()
			if first || k.at.Before(at) {
				oldest, at, first = other, k.at, false
			}
			k.mu.Unlock()
		}
		delete(m.all, oldest)
	}
	k := &kept[V]{reading: make(chan struct{}, 1)}
	m.all[key] = k
	return k
}

//go:build cgo && linux

package nvml

import (
	"maps"
	"sync"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

const (
	// waitEvents is how long one wait for an event lasts, and so how long stopping takes at most. The driver keeps events that come between two waits.
	waitEvents = 500 * time.Millisecond
	// stopEvents is how long to wait for a wait that does not come back. Beyond it the driver hangs; the library is left as it is then.
	stopEvents = 2 * time.Second
	// maxXIDs bounds the different numbers that are counted for one GPU. NVIDIA's list ends below 200, and a GPU has a few of them in its life.
	maxXIDs = 64
)

// tally holds the XIDs of every GPU by UUID. It is safe for concurrent use.
type tally struct {
	mu    sync.Mutex
	byGPU map[string]*XIDs
}

// open makes the counts of a GPU appear, at first with no error.
func (t *tally) open(uuid string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byGPU[uuid] == nil {
		t.byGPU[uuid] = &XIDs{Count: map[uint64]uint64{}}
	}
}

func (t *tally) add(uuid string, xid uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.byGPU[uuid]
	if x == nil {
		return
	}
	x.Last = xid
	if _, ok := x.Count[xid]; !ok && len(x.Count) >= maxXIDs {
		x.Other++
		return
	}
	x.Count[xid]++
}

// of returns a copy, nil for a GPU whose errors are not reported.
func (t *tally) of(uuid string) *XIDs {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.byGPU[uuid]
	if x == nil {
		return nil
	}
	return &XIDs{Last: x.Last, Count: maps.Clone(x.Count), Other: x.Other}
}

// watcher waits for events in a goroutine.
type watcher struct {
	stop, done chan struct{}
}

// watch starts to wait for the XIDs of r.devices, in the place of an older watcher. A driver that does not report events is no error.
func (r *Reader) watch() {
	r.unwatch()
	for _, s := range [][]string{{"nvmlEventSetCreate"}, {"nvmlEventSetFree"}, {"nvmlEventSetWait_v2", "nvmlEventSetWait"}, {"nvmlDeviceRegisterEvents"}} {
		if !r.symbols.has(s...) {
			return
		}
	}
	set, ret := r.lib.EventSetCreate()
	if ret != nvml.SUCCESS {
		return
	}
	uuids := map[nvml.Device]string{}
	for _, d := range r.devices {
		if d.handle != nil && d.id.UUID != "" && d.handle.RegisterEvents(nvml.EventTypeXidCriticalError, set) == nvml.SUCCESS {
			uuids[d.handle] = d.id.UUID
			r.xids.open(d.id.UUID)
		}
	}
	if len(uuids) == 0 {
		_ = set.Free() // nothing is lost but a few bytes
		return
	}
	w := &watcher{stop: make(chan struct{}), done: make(chan struct{})}
	r.watcher = w
	go w.run(set, func(d nvml.Device, xid uint64) { r.xids.add(uuids[d], xid) })
}

// unwatch stops the watcher and reports whether it stopped. It does not while the driver hangs in a wait.
func (r *Reader) unwatch() bool {
	if r.watcher == nil {
		return true
	}
	w := r.watcher
	r.watcher = nil
	close(w.stop)
	select {
	case <-w.done:
		return true
	case <-time.After(stopEvents):
		return false
	}
}

func (w *watcher) run(set nvml.EventSet, count func(nvml.Device, uint64)) {
	defer close(w.done)
	defer func() { _ = set.Free() }() // nothing is lost but a few bytes
	for {
		select {
		case <-w.stop:
			return
		default:
		}
		e, ret := set.Wait(uint32(waitEvents.Milliseconds()))
		switch {
		case ret == nvml.SUCCESS && e.EventType&nvml.EventTypeXidCriticalError != 0:
			count(e.Device, e.EventData)
		case ret == nvml.SUCCESS, ret == nvml.ERROR_TIMEOUT:
		default: // a lost GPU makes the wait fail at once
			select {
			case <-w.stop:
			case <-time.After(waitEvents):
			}
		}
	}
}

package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// story prints what happens: while starting as plain lines, after the injection with the seconds since then.
type story struct {
	mu       sync.Mutex
	w        io.Writer
	injected time.Time
}

// say prints a line.
func (s *story) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.w, format+"\n", args...)
}

// event prints a line of the timeline: seconds since the injection, where it happened, and what.
func (s *story) event(at time.Time, where, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.w, "%+8.1f s  %-13s %s\n", at.Sub(s.injected).Seconds(), where, fmt.Sprintf(format, args...))
}

// patience is how long something may take before its progress is shown, and how often it is then.
const patience = 2 * time.Second

// during runs f and shows a sign of life every two seconds. The status is added to it and may be empty; it is called from another goroutine.
func (s *story) during(what string, status func() string, f func() error) error {
	began := time.Now()
	done := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() {
		tick := time.NewTicker(patience)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				text := fmt.Sprintf("  … %s: %.0f s", what, time.Since(began).Seconds())
				if extra := status(); extra != "" {
					text += ", " + extra
				}
				s.say("%s", text)
			}
		}
	})
	err := f()
	close(done)
	shown.Wait()
	return err
}

// nothing is a status that tells nothing.
func nothing() string { return "" }

package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Fallback says which other channel hears of a message that does not get out.
type Fallback struct {
	// After is how long a message may wait before it also goes another way, by grade; 0 is never. A channel that is down is not waited for.
	After PerGrade `yaml:"after" json:"after"`
	// Order are the channels to go to instead, by grade, the first that works first. Empty: as ordered by the configuration.
	Order FallbackOrder `yaml:"order" json:"order"`
}

// FallbackOrder is an order of channels by grade.
type FallbackOrder struct {
	P0 []string `yaml:"p0" json:"p0"`
	P1 []string `yaml:"p1" json:"p1"`
	P2 []string `yaml:"p2" json:"p2"`
	P3 []string `yaml:"p3" json:"p3"`
}

// DefaultFallback waits 30 s with what wakes people, 2 min with what they should see soon, and 10 min with the rest.
func DefaultFallback() Fallback {
	return Fallback{After: PerGrade{P0: Duration(30 * time.Second), P1: Duration(2 * time.Minute), P2: Duration(10 * time.Minute)}}
}

// At is the order for a grade.
func (o FallbackOrder) At(g Grade) []string {
	return [][]string{o.P0, o.P1, o.P2, o.P3}[min(int(g), 3)]
}

// Validate checks the names against the configured channels.
func (f Fallback) Validate(channels []string) error {
	for _, g := range Grades() {
		if f.After.At(g) < 0 {
			return fmt.Errorf("fallback.after.%s: %q: want a duration, or 0 for never", strings.ToLower(g.String()), Duration(f.After.At(g)))
		}
		for i, c := range f.Order.At(g) {
			if !slices.Contains(channels, c) {
				return fmt.Errorf("fallback.order.%s[%d]: unknown channel %q: want one of %s", strings.ToLower(g.String()), i, c, strings.Join(channels, ", "))
			}
		}
	}
	return nil
}

// Instead is the channel to go to when a message does not get out on channel: the first of the grade's order that works and has not heard of it, "" when
// there is none.
func (f Fallback) Instead(g Grade, channel string, told []string, works func(string) bool) string {
	for _, c := range f.Order.At(g) {
		if c != channel && works(c) && !slices.Contains(told, c) {
			return c
		}
	}
	return ""
}

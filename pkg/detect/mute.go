package detect

import (
	"fmt"
	"time"

	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
)

// unwatched reports a policy that watches the absence of series, where several are judged at once.
func (p Policy) unwatched(what string) error {
	if p.Absent > 0 {
		return fmt.Errorf("parameter \"absent\": got %s, want 0: the absence of a series in %s is not watched; judge the series one by one for that", p.Absent, what)
	}
	return nil
}

// mute marks the judged samples that the policy's calendar holds. They count as quiet: an episode ends when its time is muted, and what is abnormal still when the time is over
// is confirmed then.
func (p Policy) mute(g series.Grid, r Result, loc *time.Location) error {
	muted, err := p.muted(loc)
	if err != nil || len(p.Mute) == 0 {
		return err
	}
	for i, score := range r.Score {
		if score == score && muted(g.At(i)) {
			r.State[i] = Muted
		}
	}
	return nil
}

// muted returns what tells whether the policy's calendar holds a time in milliseconds.
func (p Policy) muted(loc *time.Location) (func(t int64) bool, error) {
	calendar, err := season.ParseCalendar(p.Mute)
	if err != nil {
		return nil, fmt.Errorf("policy: parameter \"mute\": %w", err)
	}
	if calendar.Empty() {
		return func(int64) bool { return false }, nil
	}
	clock := season.NewClock(loc)
	return func(t int64) bool { return calendar.Class(clock.Local(t)) >= 0 }, nil
}

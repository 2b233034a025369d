package detect

import (
	"fmt"
	"time"

	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
)

// mute marks the judged samples that the policy's calendar holds. They count as quiet: an episode ends when its time is muted, and what is abnormal still when the time is over
// is confirmed then.
func (p Policy) mute(g series.Grid, r Result, loc *time.Location) error {
	calendar, err := season.ParseCalendar(p.Mute)
	if err != nil {
		return fmt.Errorf("policy: parameter \"mute\": %w", err)
	}
	if calendar.Empty() {
		return nil
	}
	clock := season.NewClock(loc)
	for i, score := range r.Score {
		if score == score && calendar.Class(clock.Local(g.At(i))) >= 0 {
			r.State[i] = Muted
		}
	}
	return nil
}

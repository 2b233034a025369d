package replay_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/replay"
)

// What Alertmanager 0.28 does by its documentation (group_wait, group_interval,
// repeat_interval, send_resolved) and by dispatch.go and notify.go: the first
// flush waits, news waits for the next flush, what fired and ended between two
// flushes is sent once, silence lasts until the repetition.
func TestGrouping(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return begin.Add(d) }
	one := func(d time.Duration, name, instance string, s alert.Status) []replayChange {
		l := alert.Labels{"alertname": name, "instance": instance}
		return []replayChange{{at(d), alert.Alert{Status: s, Labels: l, Fingerprint: l.Fingerprint()}}}
	}
	for name, tc := range map[string]struct {
		changes [][]replayChange
		until   time.Duration
		want    []string
	}{
		"one alert": {
			[][]replayChange{one(0, "A", "1", alert.Firing), one(20*time.Minute, "A", "1", alert.Resolved)},
			time.Hour,
			[]string{"30s A 1", "20m30s A 1"},
		},
		"two of a group within group_wait": {
			[][]replayChange{one(0, "A", "1", alert.Firing), one(20*time.Second, "A", "2", alert.Firing)},
			time.Hour,
			[]string{"30s A 2"},
		},
		"news waits for group_interval": {
			[][]replayChange{one(0, "A", "1", alert.Firing), one(time.Minute, "A", "2", alert.Firing)},
			time.Hour,
			[]string{"30s A 1", "5m30s A 2"},
		},
		"over before group_wait": {
			[][]replayChange{one(0, "A", "1", alert.Firing), one(20*time.Second, "A", "1", alert.Resolved)}, time.Hour, nil,
		},
		"repeated": {
			[][]replayChange{one(0, "A", "1", alert.Firing)},
			9 * time.Hour,
			[]string{"30s A 1", "4h5m30s A 1", "8h10m30s A 1"},
		},
		"two groups": {
			[][]replayChange{one(0, "A", "1", alert.Firing), one(0, "B", "1", alert.Firing)},
			time.Hour,
			[]string{"30s A 1", "30s B 1"},
		},
	} {
		var all []replay.ChangeType
		for _, cs := range tc.changes {
			for _, c := range cs {
				all = append(all, replay.Change(c.at, c.a))
			}
		}
		var got []string
		for _, n := range replay.DefaultGrouping().Notifications(all, at(tc.until)) {
			got = append(got, fmt.Sprintf("%v %s %d", n.At.Sub(begin), n.Group, len(n.Alerts)))
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

type replayChange struct {
	at time.Time
	a  alert.Alert
}

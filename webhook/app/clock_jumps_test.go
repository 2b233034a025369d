package app

import (
	"testing"
	"time"
)

// The wall clock jumps by an hour, forth and back, while steps, an acknowledgement and a deadline wait: each comes when the time that it was to
// wait has passed, within the bound that docs/escalation.md states.
func TestScriptClockJumps(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]string{"forth": "1h", "back": "-1h"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, &script{poll: 2 * time.Second, lag: 12 * time.Second, config: `
people: {bob: {channels: [bob]}}
noise: {hold: {p1: 0s, p2: 0s, p3: 0s}}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: l, steps: [{wait: 10m, targets: [channel:pager]}, {wait: 10m, targets: [channel:boss]}]}], acknowledge: {p0: 20m}}
sla: {targets: {p0: 1h}}
`}, `
at 0   fire Down severity=critical
at 0   expect chat opened
at 5m  jump `+jump+`
at 6m  fire Late severity=critical
at 6m  expect chat opened
at 9m45s expect nothing
at 10m5s expect pager escalated
at 12m acknowledge Down {"by": "bob"}
at 12m expect chat acknowledged
at 12m expect pager acknowledged
at 16m5s expect pager escalated
at 17m crash
at 20m jump `+jump+`
at 25m acknowledge Late {"by": "bob", "for": "10h"}
at 25m expect chat acknowledged
at 25m expect pager acknowledged
at 31m45s expect nothing
at 32m5s expect chat expired
at 32m5s expect bob expired
at 32m5s expect pager expired
at 42m5s expect boss escalated
at 45m10s expect chat sla_warning
at 45m10s expect pager sla_warning
at 45m10s expect boss sla_warning
at 51m5s expect chat sla_warning
at 51m5s expect pager sla_warning
at 60m10s expect chat sla_breached
at 60m10s expect pager sla_breached
at 60m10s expect boss sla_breached
at 66m10s expect chat sla_breached
at 66m10s expect pager sla_breached
at 67m expect nothing
`)
		})
	}
}

// What is held back until a review comes when its time has passed, too: an opening, an end, what was muted, and
// what flapped.
func TestScriptClockJumpsUnderHolds(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]string{"forth": "1h", "back": "-1h"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, &script{poll: 2 * time.Second, lag: 12 * time.Second, config: `
noise: {hold: {p2: 10m, resolved: 10m}}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: none}]}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, `
at 0   fire Slow severity=warning
at 5m  jump `+jump+`
at 9m45s expect nothing
at 10m expect chat opened
at 20m resolve Slow severity=warning
at 25m jump `+jump+`
at 29m45s expect nothing
at 30m expect chat resolved
at 40m expect nothing
`)
		})
	}
}

// Nor does a case that grew wait for the clock to be where it was.
func TestScriptClockJumpsUnderDigest(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]string{"forth": "1h", "back": "-1h"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, &script{poll: 2 * time.Second, lag: 12 * time.Second, config: `
noise: {hold: {p2: 0s}, digest: 10m}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: none}]}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, `
at 0   fire DiskSlow severity=warning host=h1
at 0   expect chat opened
at 1m  fire LoadHigh severity=warning host=h1
at 2m  jump `+jump+`
at 9m45s expect nothing
at 10m expect chat digest
at 40m expect nothing
`)
		})
	}
}

// A mute ends by the clock, so a jump back makes it longer; what it held back is told then.
func TestScriptClockJumpsBackUnderMute(t *testing.T) {
	t.Parallel()
	play(t, &script{poll: 2 * time.Second, lag: 12 * time.Second, config: `
noise: {hold: {p2: 0s, resolved: 0s}}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: none}]}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, `
at 0   post /api/v1/mutes {"name": "upgrade", "owner": "carol", "match": ["alertname=\"Slow\""], "for": "20m"}
at 1m  fire Slow severity=warning
at 10m jump -1h
at 79m45s expect nothing
at 80m expect chat opened
at 90m expect nothing
`)
}

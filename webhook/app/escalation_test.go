package app

import (
	"strings"
	"testing"
	"time"
)

const team = `
people:
  ann: {name: Ann, channels: [ann], zone: Europe/Berlin}
  bob: {name: Bob, channels: [bob]}
noise: {hold: {p1: 0s, p2: 0s, p3: 0s, resolved: 0s}}
routes: [{name: all, channels: [chat]}]
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`

// What the issue asks for: Slack at once, the pager when nobody acknowledges, nothing after that.
func TestScriptPager(t *testing.T) {
	t.Parallel()
	play(t, &script{config: team + `
escalation:
  ladders: [{name: page, steps: [{wait: 5m, targets: [channel:pager]}, {wait: 10m, targets: [channel:boss]}], repeat: 1}]
  acknowledge: {p0: 0s}
`}, `
at 0   fire Down severity=critical
at 0   expect chat opened
at 4m59s expect nothing
at 5m  expect pager escalated step 1 of ladder page
at 6m  acknowledge Down {"by": "ann"}
at 6m  expect chat acknowledged ann
at 6m  expect pager acknowledged
at 2h  expect nothing
at 3h  resolve Down severity=critical
at 3h  expect chat resolved
at 3h  expect pager resolved
at 9h  expect nothing
`)
}

// Ladders of all grades, as they are without a configuration.
func TestScriptDefaultLadders(t *testing.T) {
	t.Parallel()
	play(t, &script{config: team}, `
at 0   fire A severity=critical
at 0   fire B severity=error
at 0   fire C severity=warning
at 0   fire D severity=info
at 0   expect chat opened
at 0   expect chat opened
at 0   expect chat opened
at 0   expect chat opened
at 1m  expect chat escalated step 1 of ladder default P0
at 3m  expect chat escalated step 2 of ladder default P0
at 5m  expect chat escalated step 1 of ladder default P1
at 8m  expect chat escalated step 3 of ladder default P0
at 15m expect chat escalated step 2 of ladder default P1
at 30m expect chat escalated step 1 of ladder default P2
at 45m expect chat escalated step 3 of ladder default P1
at 90m expect chat escalated step 2 of ladder default P2
at 48h expect nothing
`)
}

// Repeat, the end of an acknowledgement, a resolution in between, and a reopening that starts anew.
func TestScriptExpiryAndReopening(t *testing.T) {
	t.Parallel()
	play(t, &script{config: team + `
escalation:
  ladders: [{name: l, steps: [{wait: 10m, targets: [person:bob]}, {wait: 20m}], repeat: 1}]
  acknowledge: {p0: 1h}
`}, `
at 0    fire Down severity=critical
at 0    expect chat opened
at 10m  expect bob escalated for Bob
at 30m  expect chat escalated step 2 of ladder l
at 40m  expect bob escalated round 2
at 50m  acknowledge Down {"by": "ann"}
at 50m  expect chat acknowledged
at 50m  expect bob acknowledged
at 109m state Down triage
at 110m expect chat expired acknowledgement of ann ran out after 1h
at 110m expect bob expired
at 110m expect ann expired
at 110m state Down new
at 130m expect chat escalated step 2 of ladder l, round 2
at 200m expect nothing
at 200m acknowledge Down {"by": "ann", "for": "30m"}
at 200m expect chat acknowledged
at 200m expect bob acknowledged
at 210m acknowledge Down {"by": "ann", "for": "2h"}
at 320m expect nothing
at 325m resolve Down severity=critical
at 325m expect chat resolved
at 325m expect bob resolved
at 400m expect nothing
at 400m fire Down severity=critical
at 400m expect chat reopened
at 410m expect bob escalated step 1
at 415m resolve Down severity=critical
at 415m expect chat resolved
at 415m expect bob resolved
at 24h  expect nothing
`)
}

// A more urgent alert of the case starts its ladder from the foot; a person hands back what they took.
func TestScriptReleaseAndNotes(t *testing.T) {
	t.Parallel()
	play(t, &script{config: team + "escalation: {ladders: [{name: l, steps: [{wait: 10m}]}]}"}, `
at 0    fire Down severity=critical
at 0    expect chat opened
at 5m   start Down {"by": "ann"}
at 5m   expect chat acknowledged
at 6m   assign Down {"by": "ann", "to": "bob", "note": "yours"}
at 6m   expect bob assigned yours
at 7m   note Down {"by": "ann", "note": "the disk is full"}
at 8m   release Down {"by": "ann"}
at 8m   state Down triage
at 9m   release Down {"by": "ann"}
at 9m   state Down new
at 19m  expect chat escalated
at 20m  wait Down {"by": "bob", "for": "30m"}
at 20m  expect chat acknowledged
at 50m  expect chat expired
at 50m  expect bob expired
at 60m  expect chat escalated
at 9h   expect nothing
`)
}

// Nothing is lost by a crash while a step waits, and none is sent twice.
func TestScriptCrash(t *testing.T) {
	t.Parallel()
	play(t, &script{lag: 15 * time.Second, config: team + `
retry: {base: 1s, max: 10s}
escalation: {ladders: [{name: l, steps: [{wait: 10m, targets: [channel:pager]}], repeat: 2}], acknowledge: {p0: 0s}}
`}, `
at 0    fire Down severity=critical
at 0    expect chat opened
at 5m   crash
at 10m  expect pager escalated
at 11m  crash
at 19m  crash
at 20m  expect pager escalated round 2
at 25m  down pager
at 30m  crash
at 31m  expect nothing
at 32m  acknowledge Down {"by": "ann"}
at 32m  expect chat acknowledged
at 33m  up pager
at 33m10s expect pager acknowledged
at 2h   expect nothing
`)
}

// A deadline: warned at three quarters, told when it has passed, once each.
func TestScriptSLA(t *testing.T) {
	t.Parallel()
	play(t, &script{config: `
people: {ann: {channels: [ann]}}
noise: {hold: {p1: 0s, p2: 0s, p3: 0s, resolved: 0s}}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: none}], acknowledge: {p0: 0s}}
`}, `
at 0    fire Down severity=critical
at 0    expect chat opened
at 0    take Down {"by": "ann"}
at 1m   acknowledge Down {"by": "ann"}
at 1m   expect chat acknowledged
at 45m  expect chat sla_warning in 15m
at 45m  expect ann sla_warning
at 1h   expect chat sla_breached not solved within 1h
at 1h   expect ann sla_breached
at 2h   expect nothing
at 2h   fire Slow severity=error
at 2h   expect chat opened
at 4h   resolve Slow severity=error
at 4h   expect chat resolved
at 70h  expect nothing
`)
}

// Who is on call is found when the step is due, in wall-clock time: on the night in which Berlin's clocks go back (2026-10-25 at 01:00 UTC)
// the handover at 09:00 is at 08:00 UTC, not at 07:00.
func TestScriptOnCallOverDST(t *testing.T) {
	t.Parallel()
	play(t, &script{date: time.Date(2026, 10, 25, 6, 0, 0, 0, time.UTC), config: team + `
schedules:
  ops: {zone: Europe/Berlin, layers: [{name: days, people: [ann, bob], start: 2026-10-24 09:00, turn: daily}]}
escalation: {ladders: [{name: l, steps: [{wait: 90m, targets: [schedule:ops]}, {wait: 1h, targets: [schedule:ops]}]}]}
`}, `
at 0     fire Down severity=critical
at 0     expect chat opened
at 90m   expect ann escalated for Ann, on call in ops
at 150m  expect bob escalated for Bob, on call in ops
at 151m  resolve Down severity=critical
at 151m  expect chat resolved
at 151m  expect ann resolved
at 151m  expect bob resolved
at 152m  post /api/v1/schedules/ops/overrides {"person": "ann", "until": "2026-10-25T23:00:00Z", "by": "ann", "note": "swap"}
at 153m  fire Up severity=critical
at 153m  expect chat opened
at 243m  expect ann escalated
at 303m  expect ann escalated
at 9h    expect nothing
`)
}

// Nobody on call is told to those who know of the case already, never to nobody.
func TestScriptNobodyOnCall(t *testing.T) {
	t.Parallel()
	play(t, &script{config: team + `
schedules:
  ops: {layers: [{name: old, people: [ann], start: 2020-01-01, until: 2021-01-01}]}
escalation: {ladders: [{name: l, steps: [{wait: 1m, targets: [schedule:ops]}]}]}
`}, `
at 0   fire Down severity=critical
at 0   expect chat opened
at 1m  expect chat escalated nobody is on call in schedule ops; so the channels of the case are told
at 2h  expect nothing
`)
}

// A watchdog that is not heard is told by its own channels, whatever the routes say; also across a restart and a jump of the clock, which are
// nobody's silence. It ends when the watchdog is heard again.
func TestScriptWatchdog(t *testing.T) {
	t.Parallel()
	play(t, &script{poll: 2 * time.Second, lag: 8 * time.Second, config: `
noise: {hold: {p1: 0s, p2: 0s, p3: 0s}}
routes: [{name: all, channels: [chat]}]
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
escalation: {ladders: [{name: none}]}
watchdogs: [{name: prod, match: ['alertname="Watchdog"'], max_silence: 5m, channels: [boss]}]
`}, `
at 4m50s expect nothing
at 5m5s  expect boss opened
at 6m    fire Watchdog severity=none
at 6m5s  expect boss resolved
at 8m    fire Watchdog severity=none
at 9m    jump 1h
at 10m   fire Watchdog severity=none
at 11m   crash
at 15m55s expect nothing
at 16m5s expect boss reopened
at 17m   crash
at 18m   resolve Watchdog severity=none
at 30m   expect nothing
at 30m   fire Watchdog severity=none
at 30m5s expect boss resolved
at 31m expect nothing
`)
}

// The worked example of docs/escalation.md.
func TestScriptManual(t *testing.T) {
	t.Parallel()
	play(t, &script{config: `
people: {ann: {channels: [ann]}}
noise: {hold: {p1: 0s, p2: 0s, p3: 0s}}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: page, steps: [{wait: 5m, targets: [channel:pager]}, {wait: 10m, targets: [channel:boss]}]}]}
`}, `
at 0   fire Down severity=critical
at 0   expect chat opened
at 5m  expect pager escalated step 1
at 6m  acknowledge Down {"by": "ann"}
at 6m  expect chat acknowledged
at 6m  expect pager acknowledged
at 36m expect chat expired
at 36m expect pager expired
at 36m expect ann expired
at 44m expect nothing
at 45m expect chat sla_warning
at 45m expect pager sla_warning
at 46m expect boss escalated step 2
at 50m resolve Down severity=critical
at 50m expect chat resolved
at 50m expect pager resolved
at 50m expect boss resolved
at 5h  expect nothing
`)
}

// While a case is muted its steps are put off, and its deadline is not told.
func TestScriptMute(t *testing.T) {
	t.Parallel()
	play(t, &script{config: `
noise: {hold: {p1: 0s, p2: 0s, p3: 0s}}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: page, steps: [{wait: 5m, targets: [channel:pager]}]}]}
`}, `
at 0   fire Down severity=critical
at 0   expect chat opened
at 2m  mute Down {"by": "ann", "for": "2h"}
at 121m expect nothing
at 127m expect pager escalated step 1
at 10h expect nothing
`)
}

// A grade that rises while the case waits begins the ladder of that grade at its foot, and moves the deadline.
func TestScriptRegrade(t *testing.T) {
	t.Parallel()
	play(t, &script{lag: 40 * time.Second, config: `
noise:
  hold: {p1: 0s, p2: 0s, p3: 0s}
  regrade: [{name: long, grades: [P2], after: 20m, to: P1}]
routes: [{name: all, channels: [chat]}]
escalation:
  ladders:
    - {name: warnings, grades: [P2], steps: [{wait: 10m, targets: [channel:pager]}, {wait: 30m, targets: [channel:boss]}]}
    - {name: errors, grades: [P1], steps: [{wait: 5m, targets: [channel:ann]}]}
sla: {targets: {p1: 1h, p2: 0s}}
`}, `
at 0   fire Slow severity=warning
at 0   expect chat opened
at 10m expect pager escalated ladder warnings
at 20m30s expect chat regraded
at 20m30s expect pager regraded
at 25m30s expect ann escalated step 1 of ladder errors
at 45m expect chat sla_warning
at 45m expect pager sla_warning
at 45m expect ann sla_warning
at 55m resolve Slow severity=warning
at 1h  expect chat resolved
at 1h  expect pager resolved
at 1h  expect ann resolved
at 9h  expect nothing
`)
}

// wide is team, but what starts on a host within half an hour is one problem.
var wide = strings.Replace(team, "noise: {", "noise: {correlate: {window: 30m}, ", 1)

// Who acknowledged something of a low grade did not see a P0 that joins it: the acknowledgement ends, and the ladder
// of P0 begins at its foot.
func TestScriptRaisedWhileAcknowledged(t *testing.T) {
	t.Parallel()
	play(t, &script{config: wide + `
escalation:
  ladders:
    - {name: warnings, grades: [P2], steps: [{wait: 5m, targets: [channel:pager]}, {wait: 5m, targets: [channel:pager]}]}
    - {name: page, grades: [P0], steps: [{wait: 1m, targets: [channel:boss]}, {wait: 2m, targets: [channel:pager]}]}
`}, `
at 0   fire DiskSlow severity=warning host=h1
at 0   expect chat opened
at 5m  expect pager escalated step 1 of ladder warnings
at 10m expect pager escalated step 2 of ladder warnings
at 11m wait DiskSlow {"by": "ann", "for": "10h"}
at 11m expect chat acknowledged
at 11m expect pager acknowledged
at 20m state DiskSlow pending
at 20m fire HostDown severity=critical host=h1
at 20m expect chat regraded
at 20m expect pager regraded
at 20m expect ann expired the acknowledgement of ann ended: raised to P0
at 20m state DiskSlow new
at 21m expect boss escalated step 1 of ladder page
at 22m acknowledge DiskSlow {"by": "bob"}
at 22m expect chat acknowledged
at 22m expect pager acknowledged
at 22m expect boss acknowledged
at 51m expect nothing
at 52m expect chat expired of bob ran out after 30m
at 52m expect pager expired
at 52m expect boss expired
at 52m expect bob expired
at 52m30s expect nothing
`)
}

// Raised to anything below P0, the acknowledgement holds no longer than one of that grade.
func TestScriptRaisedShortensAcknowledgement(t *testing.T) {
	t.Parallel()
	play(t, &script{config: wide + `
escalation:
  ladders: [{name: l, steps: [{wait: 1h, targets: [channel:pager]}]}]
  acknowledge: {p1: 2h, p2: 30m, p3: 0s}
`}, `
at 0    fire DiskSlow severity=info host=h1
at 0    expect chat opened
at 10m  acknowledge DiskSlow {"by": "ann"}
at 10m  expect chat acknowledged
at 20m  fire LoadHigh severity=error host=h1
at 20m  expect chat regraded
at 20m  state DiskSlow triage
at 139m expect nothing
at 140m expect chat expired of ann ran out after 2h10m
at 140m expect ann expired
at 200m expect pager escalated step 1
at 201m acknowledge DiskSlow {"by": "bob", "for": "15m"}
at 201m expect chat acknowledged
at 201m expect pager acknowledged
at 216m expect chat expired
at 216m expect pager expired
at 216m expect bob expired
at 276m expect pager escalated
at 20h  expect nothing
`)
}

// A case that opens and is raised by one delivery walks the ladder of the higher grade alone.
func TestScriptRaisedInOneDelivery(t *testing.T) {
	t.Parallel()
	play(t, &script{config: team}, `
at 0   post /api/v1/alerts {"version": "4", "status": "firing", "receiver": "foreshock", "groupKey": "{}", "alerts": [{"status": "firing", "labels": {"alertname": "LoadHigh", "severity": "error", "host": "h1"}, "startsAt": "2026-11-20T12:00:00Z"}, {"status": "firing", "labels": {"alertname": "HostDown", "severity": "critical", "host": "h1"}, "startsAt": "2026-11-20T12:00:00Z"}]}
at 0   expect chat opened
at 0   expect chat regraded
at 1m  expect chat escalated step 1 of ladder default P0
at 3m  expect chat escalated step 2 of ladder default P0
at 4m  expect nothing
`)
}

// What the rules of regrading find makes a case that is held back more urgent at once; without that the hold stays
// as it is, though the case is looked at before.
func TestScriptRegradeWhileHeld(t *testing.T) {
	t.Parallel()
	for _, one := range []struct{ to, lines string }{
		{"P0", `
at 0   fire Slow severity=warning host=h1
at 10s fire Full severity=warning host=h1
at 15s expect chat opened P2 → P0
`},
		{"P1", `
at 0   fire Slow severity=warning host=h1
at 10s fire Full severity=warning host=h1
at 44s expect nothing
at 45s expect chat opened
`},
		{"P0", `
at 0   fire Slow severity=warning host=h1
at 59s expect nothing
at 60s expect chat opened
`},
	} {
		play(t, &script{config: `
noise: {correlate: {host_labels: [host]}, regrade: [{name: wide, alerts: 2, to: ` + one.to + `}]}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: []}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, one.lines)
	}
}

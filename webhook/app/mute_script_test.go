package app

import (
	"testing"
	"time"
)

// A person who is muted is passed over; a mute of the case's alerts that begins after people were told holds the
// ladder until its end, and the wait of the step after it.
func TestScriptMutes(t *testing.T) {
	t.Parallel()
	play(t, &script{config: `
people: {ann: {channels: [ann]}, bob: {channels: [bob]}}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: both, steps: [{wait: 5m, targets: ["person:ann", "person:bob"]}, {wait: 10m, targets: ["person:bob"]}]}]}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, `
at 0    post /api/v1/mutes {"name": "holiday", "owner": "ann", "people": ["ann"], "for": "8h"}
at 0    fire Down severity=critical
at 0    expect chat opened
at 5m   expect bob escalated
at 6m   post /api/v1/mutes {"name": "upgrade", "owner": "carol", "match": ["alertname=\"Down\""], "for": "1h"}
at 60m  expect nothing
at 76m  expect bob escalated
at 80m  acknowledge Down {"by": "bob", "for": "8h"}
at 80m  expect chat acknowledged
at 80m  expect bob acknowledged
at 2h   expect nothing
`)
}

// The mute of one alert of a case holds neither the ladder of the case nor the people on it.
func TestScriptMuteOfAMember(t *testing.T) {
	t.Parallel()
	play(t, &script{config: `
people: {ann: {channels: [ann]}}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: one, steps: [{wait: 5m, targets: ["person:ann"]}]}]}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, `
at 0    post /api/v1/mutes {"name": "disks", "owner": "carol", "match": ["alertname=\"DiskSlow\""], "for": "2h"}
at 0    fire DiskSlow severity=info instance=h1:9100
at 1m   fire HostDown severity=critical instance=h1:9100
at 1m   expect chat opened
at 6m   expect ann escalated
at 1h   expect nothing
`)
}

// A person who mutes a case mutes all that is in it, and nothing that joins later.
func TestScriptMuteOfACase(t *testing.T) {
	t.Parallel()
	play(t, &script{config: `
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: one, steps: [{wait: 30m, targets: ["channel:pager"]}]}]}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, `
at 0    fire Hot severity=error instance=h1:9100
at 5s   fire Loud severity=error instance=h1:9100
at 30s  expect chat opened
at 1m   mute Hot {"by": "ann", "for": "2h"}
at 4m   expect nothing
at 4m   fire HostDown severity=critical instance=h1:9100
at 4m   expect chat regraded
at 34m  expect pager escalated
`)
}

// A mute that is ended before its time holds the ladder no longer than that, and the step's wait.
func TestScriptMuteEndedEarly(t *testing.T) {
	t.Parallel()
	play(t, &script{lag: 70 * time.Second, config: `
noise: {hold: {p1: 0s, p2: 0s, p3: 0s}}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: [{name: page, steps: [{wait: 5m, targets: [channel:pager]}]}]}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, `
at 0   fire Down severity=critical
at 0   expect chat opened
at 1m  post /api/v1/mutes {"name": "upgrade", "owner": "carol", "match": ["alertname=\"Down\""], "for": "8h"}
at 20m expect nothing
at 20m unmute
at 24m50s expect nothing
at 26m30s expect pager escalated step 1
at 12h expect nothing
`)
}

// A case that is merged into another one ends for everybody who heard of it, also while a mute covers it: what it
// began elsewhere, such as an incident at PagerDuty, would stay open for ever.
func TestScriptMergedWhileMuted(t *testing.T) {
	t.Parallel()
	play(t, &script{config: `
noise: {hold: {p1: 0s, p2: 0s, p3: 0s}, storm: {rate: 2, labels: [job]}, similar: {enabled: false}, correlate: {enabled: false}}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: []}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, `
at 0    fire Hot severity=warning job=x instance=a
at 0    expect chat opened
at 5s   post /api/v1/mutes {"name": "disks", "owner": "carol", "match": ["alertname=\"Hot\""], "for": "2h"}
at 10s  fire Loud severity=warning job=x instance=b
at 10s  expect chat opened
at 12s  fire Wet severity=warning job=x instance=c
at 12s  expect chat opened
at 30s  expect chat merged
at 40s  expect chat merged
at 5m12s expect chat digest
at 9m   expect nothing
`)
}

// never is a rule of regrading that looks at every case and changes none: what is told must not depend on it.
const never = `regrade: [{name: never, alerts: 1000, to: P1}]`

// A look for evidence, 5 s after an alert, does not replace the look for others of the same cause 30 s after the case was told.
func TestScriptMergedBesideEvidence(t *testing.T) {
	t.Parallel()
	play(t, &script{config: `
noise: {hold: {p1: 0s, p2: 0s, p3: 0s}, storm: {rate: 2, labels: [job]}, similar: {enabled: false}, correlate: {enabled: false}, ` + never + `}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: []}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, `
at 0    fire Hot severity=warning job=x instance=a
at 0    expect chat opened
at 10s  fire Loud severity=warning job=x instance=b
at 10s  expect chat opened
at 12s  fire Wet severity=warning job=x instance=c
at 12s  expect chat opened
at 15s  expect chat merged
at 30s  expect chat merged
at 5m12s expect chat digest
at 9m   expect nothing
`)
}

// What joins a muted case and is not covered by the mute waits for its whole hold, whoever looks at the case before.
func TestScriptHoldAfterMute(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", ", " + never} {
		play(t, &script{config: `
noise: {hold: {p2: 60s}` + more + `}
routes: [{name: all, channels: [chat]}]
escalation: {ladders: []}
sla: {targets: {p0: 0s, p1: 0s, p2: 0s, p3: 0s}}
`}, `
at 0    post /api/v1/mutes {"name": "disks", "owner": "carol", "match": ["alertname=\"Slow\""], "for": "2h"}
at 1s   fire Slow severity=warning instance=h1:9100
at 10s  fire Full severity=warning instance=h1:9100
at 65s  expect nothing
at 70s  expect chat opened
at 9m   expect nothing
`)
	}
}

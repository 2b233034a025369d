package app

import "testing"

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

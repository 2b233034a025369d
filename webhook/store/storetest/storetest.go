// Package storetest is the conformance suite that every store passes, and the
// private PostgreSQL that tests run on.
//
//	func TestSQLite(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) string { return "sqlite://" + t.TempDir() + "/w.db" })
//	}
//
// It tests what a store promises to its consumers, through the interface
// alone; it knows nothing of tables.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/store"
)

// Fresh returns the URL of a new, empty store.
type Fresh func(t testing.TB) string

// Run runs the suite on stores that fresh names.
func Run(t *testing.T, fresh Fresh) {
	for name, f := range map[string]func(*testing.T, *store.DB){
		"round trip":             testRoundTrip,
		"conflict":               testConflict,
		"one open case per key":  testOneCasePerKey,
		"concurrent commits":     testConcurrentCommits,
		"hostile text":           testHostileText,
		"twenty thousand alerts": testTwentyThousand,
		"claim order":            testClaimOrder,
		"claim once":             testClaimOnce,
		"long queue":             testLongQueue,
		"finish":                 testFinish,
		"finish with a change":   testFinishChange,
		"leases":                 testLeases,
		"unknown attempt":        testUnknownAttempt,
		"cancel":                 testCancel,
		"repeated key":           testRepeatedKey,
		"previous receipt":       testPreviousReceipt,
		"queries":                testQueries,
		"counts":                 testCounts,
		"trim":                   testTrim,
		"ready":                  testReady,
		"links":                  testLinks,
		"splits and mutes":       testSplitsAndMutes,
		"cancelled context":      testCancelledContext,
		"one failure in a batch": testFailureInBatch,
		"conditions":             testConditions,
		"cancel by condition":    testCancelConditions,
		"overrides":              testOverrides,
		"audit":                  testAudit,
		"heartbeats":             testHeartbeats,
		"shift":                  testShift,
		"trim of the service":    testTrimService,
		"reviews":                testReviews,
		"statistics":             testStatistics,
		"messages":               testMessages,
		"urgency":                testUrgency,
		"similar":                testSimilar,
		"key":                    testKey,
		"order of urgency":       testOrderOfUrgency,
		"buckets":                testBuckets,
		"channel conditions":     testChannelConditions,
		"finish all":             testFinishAll,
		"stuck":                  testStuck,
		"once":                   testOnce,
		"ledger":                 testLedger,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, Open(t, fresh(t)))
		})
	}
	t.Run("reopen", func(t *testing.T) { t.Parallel(); testReopen(t, fresh) })
	t.Run("migrations", func(t *testing.T) { t.Parallel(); testMigrations(t, fresh) })
}

// Open opens a store and closes it with the test.
func Open(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

// epoch is the time at which these tests happen.
var epoch = time.Date(2026, 11, 20, 12, 0, 0, 123456000, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func identity(n int) alert.Identity {
	return alert.Identity{Cluster: "prod", Fingerprint: fmt.Sprintf("%016x", n)}
}

func known(n int, caseID string) cases.Alert {
	return cases.Alert{
		Identity: identity(n), CaseID: caseID, Status: alert.Firing, LastFired: at(-60), FirstSeen: at(0), LastSeen: at(0),
		AlertNoise: cases.AlertNoise{
			Grade: policy.P1, GradeReason: `severity="error"`, Joined: cases.Membership{How: "similar", Evidence: "e", With: "prod/x", At: at(0), From: "c0"},
			Spans: []cases.Span{{From: at(-60), To: at(-50)}, {From: at(-40)}}, FlappingSince: at(-5), Held: true,
		},
		Last: alert.Alert{
			Status: alert.Firing, Fingerprint: identity(n).Fingerprint, StartsAt: at(-60), Labels: alert.Labels{"alertname": "a", "n": fmt.Sprint(n)},
			Annotations: alert.Labels{"summary": "日本 \"quoted\""}, Values: map[string]float64{"A": 1.5},
			Cut: []alert.Cut{{Field: "annotations.x", Bytes: 5, Kept: 1}},
		},
	}
}

func aCase(id string) cases.Case {
	return cases.Case{
		ID: id, Key: "key-" + id, Cluster: "prod", Title: "Title of " + id, Labels: alert.Labels{"alertname": "a"}, State: cases.New,
		Grade: policy.P1, GradeReason: `severity="error"`, Channels: []string{"slack", "log"}, Routes: []string{"default"}, Epoch: 1, Firing: 1, Total: 1,
		StartedAt: at(-60), OpenedAt: at(0), UpdatedAt: at(0), Owner: "ann", AckedBy: "bob", AckedAt: at(1), AckExpiry: at(100),
		CaseNoise: cases.CaseNoise{
			Origin: `service="db"`, ToldAt: at(0), CountedAt: at(0), Told: 1, Fresh: 4, Digests: 2, Heard: cases.WhatOpened, Untold: cases.WhatResolved, HeldUntil: at(30), NextReview: at(30),
			Mute: "night", MutedBy: "ann", MutedUntil: at(60), MutedChannels: []string{"log"}, Services: 3, MergedInto: "c9", Base: policy.P2, BaseReason: "r",
		},
	}
}

func anAction(id, channel, caseID string) cases.Action {
	return cases.Action{
		ID: id, Key: "key-" + id, CaseID: caseID, Kind: cases.Notify, Channel: channel, Lane: channel + "/" + caseID, Epoch: 1,
		Payload: json.RawMessage(`{"what":"opened"}`), State: cases.Due, Planned: at(0), Due: at(0), CreatedAt: at(0), UpdatedAt: at(0),
	}
}

func claim(t testing.TB, db *store.DB, holder, channel string, now time.Time, limit int) []cases.Action {
	t.Helper()
	return must[[]cases.Action](t)(db.Claim(context.Background(), cases.ClaimRequest{
		Holder: holder, Channel: channel, Now: now, Lease: 20 * time.Second, Limit: limit,
	}))
}

func names(actions []cases.Action) string {
	out := ""
	for _, a := range actions {
		out += a.ID + " "
	}
	return out
}

func ids(cs []cases.Case) string {
	out := ""
	for _, c := range cs {
		out += c.ID + " "
	}
	return out
}

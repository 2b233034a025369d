package cases_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Worked by hand: two hours, 10 alerts of which 4 are news and 2 of them a storm, three cases, three messages.
func TestSummarise(t *testing.T) {
	t.Parallel()
	zero := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	at := func(minutes float64) time.Time { return zero.Add(time.Duration(minutes * float64(time.Minute))) }
	s := cases.Statistics{
		Tallies: []cases.Tally{
			{Slot: at(0), Decision: "accepted", Reason: "fired", N: 2},
			{Slot: at(5), Decision: "dropped", Reason: "repeat", N: 6},
			{Slot: at(60), Decision: "accepted", Reason: "storm", N: 2},
			{Slot: at(-5), Decision: "accepted", Reason: "fired", N: 99},
		},
		Courses: []cases.Course{
			{Grade: policy.P0, Opened: at(1), Acked: at(2), Resolved: at(11)}, {Grade: policy.P0, Opened: at(2), Acked: at(5)}, {Grade: policy.P2, Opened: at(61)},
		},
		Sends: []cases.Send{
			{Channel: "slack", Began: at(1), Ended: at(1.5), Result: "failed"},
			{Channel: "slack", Began: at(2), Ended: at(2.25), Result: "sent"},
			{Channel: "log", Began: at(61), Ended: at(61), Result: "sent"},
			{Channel: "log", Began: at(62), Ended: at(62), Result: "obsolete"},
			{Channel: "log", Began: at(63), Result: "unknown"},
		},
	}
	got := cases.Summarise(s, at(0.5), at(119), time.Hour)
	if !got.Since.Equal(at(0)) || !got.Until.Equal(at(120)) || len(got.Buckets) != 2 {
		t.Fatalf("range %s to %s, %d buckets", got.Since, got.Until, len(got.Buckets))
	}
	first, second := got.Buckets[0], got.Buckets[1]
	if first.Alerts != 8 || first.News != 2 || first.Opened[policy.P0] != 2 || first.Messages != 1 || first.Failures != 1 || first.Latency["slack"] != 22.5 {
		t.Errorf("first hour: %+v", first)
	}
	if second.Alerts != 2 || second.Storm != 2 || second.Messages != 1 || second.Failures != 1 {
		t.Errorf("second hour: %+v", second)
	}
	ratio := func(v float64) *float64 { return &v }
	if d := cmp.Diff([]*float64{ratio(.6), ratio(.8), ratio(.5)}, []*float64{got.DedupRatio, got.CompressionRatio, got.StormRate}); d != "" {
		t.Errorf("ratios: %s", d)
	}
	if d := cmp.Diff(cases.Times{N: 2, Mean: 120, Median: 60, P90: 180}, got.MTTA); d != "" {
		t.Errorf("MTTA: %s", d)
	}
	if d := cmp.Diff(cases.Times{N: 1, Mean: 600, Median: 600, P90: 600}, got.MTTR); d != "" {
		t.Errorf("MTTR: %s", d)
	}
	want := []cases.ChannelStatistics{
		{Name: "log", Sent: 1, Failed: 1, Latency: cases.Times{N: 1}, Last: at(63), LastGood: at(61)},
		{Name: "slack", Sent: 1, Failed: 1, Latency: cases.Times{N: 2, Mean: 22.5, Median: 15, P90: 30}, Last: at(2), LastGood: at(2.25)},
	}
	if d := cmp.Diff(want, got.Channels); d != "" {
		t.Errorf("channels: %s", d)
	}
	empty := cases.Summarise(cases.Statistics{}, at(0), at(0), 0)
	if empty.DedupRatio != nil || empty.StormRate != nil || len(empty.Buckets) != 1 || empty.Step != cases.SlotLength {
		t.Errorf("nothing: %+v", empty)
	}
}

package scorer

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/prom/promtest"
	"github.com/foreshock/foreshock/pkg/registry"
)

// What is written elsewhere is what is published, stamped with the judged time, and a series that ends is ended.
func TestRemoteWrite(t *testing.T) {
	t.Parallel()
	server := promtest.Start(t)
	source, now := days(2, 8), start
	text := strings.Replace(rules, "rules:", "remote_write: {url: '"+server.URL+"/api/v1/write'}\nrules:", 1)
	s, reg := started(t, text, source, Options{}, &now)
	end := s.server.send(context.Background())
	evaluateAt(t, s, now)
	want := gathered(t, reg, "foreshock_score")[`foreshock_score{rule="requests", service="s01", team="shop"}`]

	gone := source.members[1]
	i, _ := gone.Grid.Index(start.UnixMilli() + minute)
	for ; i < len(gone.Values); i++ {
		gone.Values[i] = math.NaN()
	}
	for range 5 { // four samples may be missing, see TestMissingSampleIsPassedOver
		now = now.Add(time.Minute)
		evaluateAt(t, s, now)
	}
	end()

	client, err := prom.New(prom.Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(at time.Time) []prom.Sample {
		v, err := client.Instant(context.Background(), `foreshock_score{service="s01"}`, at.UnixMilli())
		if err != nil {
			t.Fatal(err)
		}
		return v.Samples
	}
	if got := ask(start); len(got) != 1 || got[0].Value != want {
		t.Errorf("at the judged time: got %v, want one sample of %v", got, want)
	}
	if got := ask(start.Add(-time.Second)); len(got) != 0 {
		t.Errorf("before the judged time: got %v, want none", got)
	}
	if got := ask(start.Add(4 * time.Minute)); len(got) != 1 {
		t.Errorf("while one to four samples are missing: got %v, want one sample", got)
	}
	if got := ask(start.Add(5*time.Minute - time.Second)); len(got) != 1 {
		t.Errorf("before the series is ended: got %v, want one sample", got)
	}
	if got := ask(start.Add(5 * time.Minute)); len(got) != 0 {
		t.Errorf("after the series ended: got %v, want none", got)
	}
	v, err := client.Instant(context.Background(), `{service="s00"}`, start.Add(time.Minute).UnixMilli())
	if err != nil || len(v.Samples) != 5 {
		t.Errorf("the other series: got %d samples, %v, want the 5 families", len(v.Samples), err)
	}
}

// Samples of evaluations that failed or were left out are written by the next that succeeds, and so are those that arrive late.
func TestRemoteWriteMakesUp(t *testing.T) {
	t.Parallel()
	server := promtest.Start(t)
	source, now := days(2, 8), start
	text := strings.Replace(rules, "rules:", "remote_write: {url: '"+server.URL+"/api/v1/write'}\nrules:", 1)
	s, _ := started(t, text, source, Options{}, &now)
	end := s.server.send(context.Background())
	evaluateAt(t, s, now)
	source.err = &prom.Error{Kind: prom.KindTimeout, Text: "slow"}
	if s.Evaluate(context.Background(), start.Add(time.Minute)) == nil {
		t.Fatal("want the error of the source")
	}
	source.err = nil
	late := source.members[1]
	i, _ := late.Grid.Index(start.UnixMilli() + 4*minute)
	value := late.Values[i]
	late.Values[i] = math.NaN()
	evaluateAt(t, s, start.Add(4*time.Minute)) // two and three were left out
	late.Values[i] = value
	evaluateAt(t, s, start.Add(5*time.Minute))
	end()

	client, err := prom.New(prom.Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	v, err := client.Instant(context.Background(), `count_over_time(foreshock_score[6m])`, start.Add(5*time.Minute).UnixMilli())
	if err != nil || len(v.Samples) != 2 {
		t.Fatalf("got %v, %v, want two series", v.Samples, err)
	}
	for _, x := range v.Samples {
		if x.Value != 6 {
			t.Errorf("%s: got %v samples from minute 0 to 5, want all 6", x.Labels, x.Value)
		}
	}
}

func TestSinceIsBounded(t *testing.T) {
	t.Parallel()
	at := start.UnixMilli()
	st := &ruleState{rule: Rule{Fields: DefaultFields()}}
	st.rule.Interval = registry.Duration(5 * time.Minute)
	for _, c := range []struct{ offered, want int64 }{
		{0, at - 4*minute},                    // the first: one interval
		{at - 5*minute, at - 4*minute},        // the next
		{at - 20*minute, at - 19*minute},      // three were missed
		{at - 10_000*minute, at - 299*minute}, // too many were
		{at, at},                              // again
		{at + 10*minute, at},                  // the clock was set back
	} {
		st.offered = c.offered
		if got := st.since(at); got != c.want {
			t.Errorf("offered %d min ago: got %d min ago, want %d", (at-c.offered)/minute, (at-got)/minute, (at-c.want)/minute)
		}
	}
}

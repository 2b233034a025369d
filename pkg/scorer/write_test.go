package scorer

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/prom/promtest"
)

// What is written elsewhere is what is published, stamped with the judged time, and a series that ends is ended.
func TestRemoteWrite(t *testing.T) {
	t.Parallel()
	server := promtest.Start(t)
	source, now := days(2, 8), start
	text := strings.Replace(rules, "rules:", "remote_write: {url: '"+server.URL+"/api/v1/write'}\nrules:", 1)
	s, reg := started(t, text, source, Options{}, &now)
	end := s.server.send(context.Background())
	evaluate(t, s, now)
	want := gathered(t, reg, "foreshock_score")[`foreshock_score{rule="requests", service="s01", team="shop"}`]

	gone := source.members[1]
	i, _ := gone.Grid.Index(start.UnixMilli() + minute)
	for ; i < len(gone.Values); i++ {
		gone.Values[i] = math.NaN()
	}
	now = now.Add(time.Minute)
	evaluate(t, s, now)
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
	if got := ask(start.Add(time.Minute)); len(got) != 0 {
		t.Errorf("after the series ended: got %v, want none", got)
	}
	v, err := client.Instant(context.Background(), `{service="s00"}`, start.Add(time.Minute).UnixMilli())
	if err != nil || len(v.Samples) != 5 {
		t.Errorf("the other series: got %d samples, %v, want the 5 families", len(v.Samples), err)
	}
}

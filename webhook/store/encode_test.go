package store

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// What is written by hand is what encoding/json writes, byte for byte, whatever an alert says.
func TestAlertsAreWrittenAsByReflection(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "plain", "a \"quoted\" \\ text", "<b>&amp;</b>", "磁盘已满", "\u2028\u2029", "bad \xff\xfe utf", "\x00\x1f\x7f\t\n", "HighLatency", "p99 of host 12 is above 500 ms"}
	word := func() string { return texts[rnd.IntN(len(texts))] }
	when := func() time.Time {
		switch rnd.IntN(8) {
		case 0:
			return time.Time{}
		case 1:
			return time.Date(12_000-rnd.IntN(2)*6_000, 1, 1, 0, 0, 0, 0, time.UTC) // a year that JSON refuses, or not
		case 2:
			return time.Now().In(time.FixedZone("east", 8*3600))
		}
		return time.UnixMicro(rnd.Int64N(4e15)).UTC()
	}
	labels := func() alert.Labels {
		l := alert.Labels{}
		for range rnd.IntN(5) {
			l[word()] = word()
		}
		if len(l) == 0 && rnd.IntN(3) == 0 {
			return nil
		}
		return l
	}
	quick := 0
	for range 20_000 {
		a := alert.Alert{Status: alert.Status(word()), Labels: labels(), Annotations: labels(), StartsAt: when(), EndsAt: when(), GeneratorURL: word(), Fingerprint: word()}
		n := cases.AlertNoise{
			Grade: policy.Grade(rnd.IntN(4)), GradeReason: policy.Reason(word()), FlappingSince: when(), Held: rnd.IntN(2) == 0,
			Joined: cases.Membership{How: word(), Evidence: word(), With: word(), At: when(), From: word()},
		}
		if rnd.IntN(4) == 0 {
			n.Joined = cases.Membership{}
		}
		for range rnd.IntN(4) {
			n.Spans = append(n.Spans, cases.Span{From: when(), To: when()})
		}
		if rnd.IntN(8) == 0 {
			n.Owed, a.SilenceURL, a.Cut = &n.Grade, word(), []alert.Cut{{Field: word(), Bytes: 9}}
		}
		for what, of := range map[string]struct {
			v  any
			by func() (string, error)
		}{"an alert": {a, func() (string, error) { return lastJSON(a) }}, "its noise": {n, func() (string, error) { return noiseJSON(n) }}} {
			want, wantErr := structure(of.v)
			got, err := of.by()
			if got != want || (err == nil) != (wantErr == nil) {
				t.Fatalf("%s: got %s, %v\nwant %s, %v", what, got, err, want, wantErr)
			}
			if err == nil {
				quick++
			}
		}
	}
	if quick == 0 {
		t.Error("nothing was written")
	}
}

func BenchmarkAlertRow(b *testing.B) {
	now := time.Now().UTC()
	a := cases.Alert{
		Last: alert.Alert{
			Status: alert.Firing, Labels: alert.Labels{"alertname": "HighLatency", "instance": "host-12", "job": "node", "severity": "warning", "team": "infra"},
			Annotations: alert.Labels{"summary": "p99 of host 12 is above 500 ms"}, StartsAt: now, Fingerprint: "0123456789abcdef", GeneratorURL: "http://prometheus:9090/graph",
		},
		AlertNoise: cases.AlertNoise{
			GradeReason: `severity="warning"`, Spans: []cases.Span{{From: now}},
			Joined: cases.Membership{How: "similar", Evidence: "it says the same as prod/0123456789abcdef, but for numbers and addresses", At: now},
		},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := alertRow(a); err != nil {
			b.Fatal(err)
		}
	}
}

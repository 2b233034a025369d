package stage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
	"github.com/foreshock/foreshock/webhook/store/storetest"
)

// body is a delivery of n new alerts as Alertmanager would write it, some 700
// bytes each.
func body(b testing.TB, serial int64, n int) []byte {
	type out struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		StartsAt    time.Time         `json:"startsAt"`
		EndsAt      time.Time         `json:"endsAt"`
		Generator   string            `json:"generatorURL"`
		Fingerprint string            `json:"fingerprint"`
	}
	var alerts []out
	for i := range n {
		l := alert.Labels{
			"alertname": "HighLatency", "severity": "warning", "job": "checkout", "service": "checkout", "namespace": "shop",
			"instance": fmt.Sprintf("10.1.%d.%d:9100", serial, i), "cluster": "eu-1",
		}
		alerts = append(alerts, out{
			Status: "firing", Labels: l, StartsAt: epoch, Fingerprint: l.Fingerprint(), Generator: "http://prometheus.example:9090/graph?g0.expr=x&g0.tab=1",
			Annotations: map[string]string{"summary": "p99 latency above 500 ms", "description": "p99 latency of checkout on 10.1.2.3 is 812 ms for 5 minutes", "runbook_url": "https://runbooks.example/latency"},
		})
	}
	text, err := json.Marshal(map[string]any{"version": "4", "status": "firing", "receiver": "hook", "groupKey": `{}:{alertname="HighLatency"}`, "alerts": alerts})
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// BenchmarkDeliver measures deliveries of new alerts from the body to the
// durable commit, each with a case and a message, by 16 senders at once.
func BenchmarkDeliver(b *testing.B) {
	for _, kind := range []struct {
		name string
		url  func(testing.TB) string
	}{
		{"sqlite", func(t testing.TB) string { return "sqlite://" + filepath.Join(t.TempDir(), "w.db") }},
		{"postgres", storetest.Postgres},
	} {
		for _, size := range []int{1, 50} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, size), func(b *testing.B) {
				in := receiver(storetest.Open(b, kind.url(b)), nil)
				bodies := make([][]byte, b.N)
				for i := range bodies {
					bodies[i] = body(b, int64(i), size)
				}
				var next atomic.Int64
				b.SetParallelism(16)
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						rec := alert.NewRecorder(bytes.NewReader(bodies[next.Add(1)-1]), 1<<20)
						m, err := alert.Decode(rec, alert.DefaultLimits())
						if err != nil {
							b.Error(err)
						}
						d := alert.Delivery{ID: ulid.Make().String(), Cluster: "prod", Received: time.Now(), Message: m}
						d.Raw, d.RawSize, d.RawCut = rec.Copy()
						if _, err := in.Deliver(context.Background(), d); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "alerts/s")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
			})
		}
	}
}

// BenchmarkDeliverWhole is BenchmarkDeliver with every stage, on SQLite, by 16
// senders at once: "alike" are alerts that all become one case, "apart" such that
// have nothing in common but their source, so that a storm takes most of them.
// Deliveries of 20,000 are slow: name them alone, with few iterations.
func BenchmarkDeliverWhole(b *testing.B) {
	for _, kind := range []string{"alike", "apart"} {
		for _, size := range []int{1, 50, 20_000} {
			b.Run(fmt.Sprintf("%s/%d", kind, size), func(b *testing.B) {
				db := storetest.Open(b, "sqlite://"+filepath.Join(b.TempDir(), "w.db"))
				p := stage.Parts{Store: db, Rules: func() policy.Rules { return policy.DefaultRules("slack") }}
				in := stage.NewIntake(stage.IntakeOptions{Chain: p.Chain(), Store: db})
				bodies := make([][]byte, b.N)
				for i := range bodies {
					bodies[i] = body(b, int64(i), size)
				}
				var next atomic.Int64
				b.SetParallelism(min(16, b.N))
				b.ReportAllocs()
				b.ResetTimer()
				used := processor(b)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						m, err := alert.Decode(bytes.NewReader(bodies[next.Add(1)-1]), alert.DefaultLimits())
						if err != nil {
							b.Error(err)
						}
						if kind == "apart" {
							setApart(m.Alerts)
						}
						d := alert.Delivery{ID: ulid.Make().String(), Cluster: "prod", Received: time.Now(), Message: m}
						if _, err := in.Deliver(context.Background(), d); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "alerts/s")
				b.ReportMetric(float64(b.N*size)/(processor(b)-used).Seconds(), "alerts/cpu-s")
			})
		}
	}
}

// processor is how much processor time this process has used. On a machine that
// others use too it says more than the clock.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Skipf("this system does not tell processor times: %v", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// setApart gives every alert a name, a host, a service and a text of its own.
func setApart(all []alert.Alert) {
	for i := range all {
		name := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return 'a' + (r - '0')
			}
			return -1
		}, all[i].Labels["instance"])
		l := alert.Labels{"alertname": name, "severity": "warning", "service": "s" + name, "instance": name}
		all[i].Labels, all[i].Annotations, all[i].Fingerprint = l, alert.Labels{"summary": name + " x" + name + " y" + name}, l.Fingerprint()
	}
}

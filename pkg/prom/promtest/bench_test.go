package promtest_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"testing"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/prom/promtest"
	"github.com/foreshock/foreshock/pkg/series"
)

// BenchmarkAnswer splits a query of 100 series × 11,000 points to Debian's Prometheus into what it takes to receive the
// answer and throw it away, and what it takes to receive and decode it; plain and compressed.
func BenchmarkAnswer(b *testing.B) {
	grid := series.Grid{Start: base, Step: 60_000, N: 11_000}
	r := rand.New(rand.NewPCG(1, 1))
	var members []series.Series
	for k := range 100 {
		m := series.New(series.FromMap(map[string]string{"__name__": "x", "job": "api", "instance": fmt.Sprintf("host-%d:9100", k)}), grid)
		for i := range m.Values {
			m.Values[i] = r.Float64() * 100
		}
		members = append(members, m)
	}
	s := promtest.Start(b)
	s.Write(b, members...)
	for name, transport := range map[string]*http.Transport{"plain": {DisableCompression: true}, "gzip": {}} {
		client := &http.Client{Transport: transport}
		b.Run(name+"/received", func(b *testing.B) {
			for b.Loop() {
				resp, err := client.PostForm(s.URL+"/api/v1/query_range", url.Values{
					"query": {"x"}, "step": {"60"}, "start": {fmt.Sprint(grid.Start / 1000)}, "end": {fmt.Sprint(grid.At(grid.N-1) / 1000)},
				})
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(n)
			}
		})
		b.Run(name+"/decoded", func(b *testing.B) {
			c, err := prom.New(prom.Options{URL: s.URL, HTTP: client})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				answer, err := c.Range(context.Background(), "x", grid)
				if err != nil || len(answer.Set.Members) != 100 {
					b.Fatal(err)
				}
			}
		})
	}
}

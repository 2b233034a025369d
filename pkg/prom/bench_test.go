package prom

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/pkg/series"
)

// benchAnswer is 100 series of 11,000 points: rates (16 or 17 digits) or counters (whole).
func benchAnswer(kind string) ([]byte, series.Grid) {
	grid := series.Grid{Start: base, Step: 60_000, N: 11_000}
	r := rand.New(rand.NewPCG(1, 1))
	var members []series.Series
	for k := range 100 {
		s := series.New(series.FromMap(map[string]string{"job": "api", "instance": fmt.Sprintf("host-%d:9100", k), "mode": "user", "cpu": fmt.Sprint(k % 16)}), grid)
		for i := range s.Values {
			if kind == "counters" {
				s.Values[i] = float64(k*1_000_000 + i*37)
			} else {
				s.Values[i] = r.Float64() * 100
			}
		}
		members = append(members, s)
	}
	return matrixJSON(members, nil), grid
}

// BenchmarkDecode compares decoders of one answer that is in memory.
func BenchmarkDecode(b *testing.B) {
	for _, kind := range []string{"rates", "counters"} {
		body, grid := benchAnswer(kind)
		b.Run(kind+"/foreshock", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				acc := &accumulator{grid: grid, limits: Limits{}.withDefaults()}
				d := matrixDecoder{scanner: newScanner(bytes.NewReader(body)), acc: acc, grid: grid}
				if _, err := d.head(d.result); err != nil {
					b.Fatal(err)
				}
				if n := len(acc.answer().Set.Members); n != 100 {
					b.Fatal(n)
				}
			}
		})
		b.Run(kind+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				var a struct{ Data struct{ Result model.Matrix } }
				if err := json.Unmarshal(body, &a); err != nil || len(a.Data.Result) != 100 {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQuery compares whole queries over HTTP to a server that answers from memory.
func BenchmarkQuery(b *testing.B) {
	body, grid := benchAnswer("rates")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}))
	defer server.Close()
	b.Run("foreshock", func(b *testing.B) {
		c, err := New(Options{URL: server.URL})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Range(context.Background(), "x", grid); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("client_golang", func(b *testing.B) {
		c, err := api.NewClient(api.Config{Address: server.URL})
		if err != nil {
			b.Fatal(err)
		}
		v1 := apiv1.NewAPI(c)
		span := apiv1.Range{Start: time.UnixMilli(grid.Start), End: time.UnixMilli(grid.At(grid.N - 1)), Step: time.Minute}
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, _, err := v1.QueryRange(context.Background(), "x", span); err != nil {
				b.Fatal(err)
			}
		}
	})
}

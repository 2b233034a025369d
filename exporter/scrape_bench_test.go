package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/foreshock/foreshock/exporter/collector"
)

// BenchmarkScrape is one scrape of this host, with the parts that belong to a scrape and without a network. "gzip" is what Prometheus asks for.
func BenchmarkScrape(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	set, err := collector.NewSet(collector.Config{Host: collector.ThisHost(log), Log: log})
	if err != nil {
		b.Fatal(err)
	}
	o, _, err := parse(nil)
	if err != nil {
		b.Fatal(err)
	}
	h, err := newHandler(o, set, log)
	if err != nil {
		b.Fatal(err)
	}
	for _, encoding := range []string{"gzip", "identity"} {
		b.Run(encoding, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
				r.Header.Set("Accept-Encoding", encoding)
				w := httptest.NewRecorder()
				w.Body = nil
				h.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
	_ = io.Discard
}

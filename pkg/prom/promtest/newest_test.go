package promtest_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/grafana/regexp"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/foreshock/foreshock/pkg/prom/promtest"
)

// startNewest serves the HTTP API of the Prometheus that go.mod names, on storage, engine and remote-write receiver of its own.
func startNewest(t testing.TB) *promtest.Server { return startNewestWith(t, 50_000_000) }

func startNewestWith(t testing.TB, maxSamples int) *promtest.Server {
	t.Helper()
	options := tsdb.DefaultOptions()
	options.RetentionDuration = 0
	options.OutOfOrderTimeWindow = (3650 * 24 * time.Hour).Milliseconds()
	db, err := tsdb.Open(t.TempDir(), nil, nil, options, tsdb.NewDBStats())
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	syntax := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{Logger: logger, MaxSamples: maxSamples, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: syntax})
	api := v1.NewAPI(engine, db, db, db, nil, nil,
		func(context.Context) v1.TargetRetriever { return noTargets{} }, nil,
		func() config.Config { return config.DefaultConfig }, nil, v1.GlobalURLOptions{}, func(h http.HandlerFunc) http.HandlerFunc { return h },
		nil, "", false, false, 0, logger, nil, 0, 0, 0, false, regexp.MustCompile(".*"),
		func() (v1.RuntimeInfo, error) { return v1.RuntimeInfo{StorageRetention: "20y or 10GiB"}, nil }, &v1.PrometheusVersion{Version: "newest"},
		nil, nil, prometheus.NewRegistry(), prometheus.NewRegistry(), nil,
		true, remoteapi.MessageTypes{remoteapi.WriteV1MessageType}, false, false, false, false, 5*time.Minute, false, false, nil, nil, v1.OpenAPIOptions{}, syntax)
	router := route.New()
	api.Register(router.WithPrefix("/api/v1"))
	server := httptest.NewServer(router)
	stop := func() { server.CloseClientConnections(); server.Close() }
	t.Cleanup(func() { stop(); db.Close() })
	return promtest.Wrap(server.URL, stop)
}

// noTargets is what a Prometheus that scrapes nothing knows about its targets.
type noTargets struct{}

func (noTargets) TargetsActive() map[string][]*scrape.Target  { return nil }
func (noTargets) TargetsDropped() map[string][]*scrape.Target { return nil }
func (noTargets) TargetsDroppedCounts() map[string]int        { return nil }
func (noTargets) ScrapePoolConfig(string) (*config.ScrapeConfig, error) {
	return nil, errors.New("nothing is scraped")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/grafana/regexp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/notifier"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/notifications"
	"github.com/prometheus/prometheus/web"
)

// embeddedPrometheus is a real Prometheus in this process: storage, scraping, rules, alerts, PromQL and the whole HTTP API of the module's
// own packages. Its pages are not there: the module does not hold them.
type embeddedPrometheus struct {
	url      string
	listener net.Listener
	dir      string
	log      *slog.Logger
	registry *prometheus.Registry
	external *url.URL

	storage  tsdbStorage
	fanout   storage.Storage
	engine   *promql.Engine
	scraper  *scrape.Manager
	notifier *notifier.Manager
	rules    *rules.Manager
	finding  [2]*discovery.Manager // targets to scrape, Alertmanagers
	web      *web.Handler

	cancel  context.CancelFunc
	running sync.WaitGroup
}

// tsdbStorage adds to the data base what the HTTP API wants to tell of it.
type tsdbStorage struct {
	*tsdb.DB
	stats *tsdb.DBStats
}

func (s tsdbStorage) Stats(by string, limit int) (*tsdb.Stats, error) {
	return s.Head().Stats(by, limit), nil
}

func (s tsdbStorage) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return s.stats.Head.WALReplayStatus.GetWALReplayStatus(), nil
}

func (s tsdbStorage) BlockMetas() ([]tsdb.BlockMeta, error) { return s.DB.BlockMetas(), nil }

// promptness is how soon a new target is scraped and a new Alertmanager is told. Prometheus takes 5 s, which is long when one waits for it.
const promptness = 200 * time.Millisecond

// prometheusKeeps is more than what is backfilled.
const prometheusKeeps = 30 * 24 * time.Hour

// startEmbeddedPrometheus opens the data base in dir/data (blocks that lie there are served) and serves a Prometheus with the
// configuration file dir/prometheus.yml on a free loopback port. Retention is 30 days. Stop ends it.
func startEmbeddedPrometheus(dir string, log *slog.Logger) (*embeddedPrometheus, error) {
	text, err := os.ReadFile(filepath.Join(dir, "prometheus.yml"))
	if err != nil {
		return nil, fmt.Errorf("reading Prometheus' configuration: %w", err)
	}
	conf, err := config.Load(string(text), log)
	if err != nil {
		return nil, fmt.Errorf("reading Prometheus' configuration: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for Prometheus: %w", err)
	}
	conf.StorageConfig.TSDBConfig = &config.TSDBConfig{Retention: &config.TSDBRetentionConfig{Time: model.Duration(prometheusKeeps)}}
	ctx, cancel := context.WithCancel(context.Background())
	p := &embeddedPrometheus{
		url: "http://" + listener.Addr().String(), listener: listener, dir: filepath.Join(dir, "data"), log: log,
		registry: prometheus.NewRegistry(), cancel: cancel,
	}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := p.assemble(ctx); err != nil {
		p.Stop()
		return nil, fmt.Errorf("assembling Prometheus: %w", err)
	}
	if err := p.apply(conf); err != nil {
		p.Stop()
		return nil, fmt.Errorf("applying Prometheus' configuration: %w", err)
	}
	p.run(ctx)
	return p, nil
}

// URL is where it listens, without a slash at the end.
func (p *embeddedPrometheus) URL() string { return p.url }

// assemble builds the parts; none of them runs yet.
func (p *embeddedPrometheus) assemble(ctx context.Context) error {
	var err error
	if p.external, err = url.Parse(p.url + "/"); err != nil {
		return err
	}
	if err := p.openStorage(); err != nil {
		return err
	}
	p.engine = promql.NewEngine(promql.EngineOpts{
		Logger: p.log, Reg: p.registry, MaxSamples: 50_000_000, Timeout: 2 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		LookbackDelta: 5 * time.Minute, Parser: parser.NewParser(parser.Options{}),
	})
	if p.scraper, err = scrape.NewManager(&scrape.Options{DiscoveryReloadInterval: model.Duration(promptness)}, p.log, nil, p.fanout, nil, p.registry); err != nil {
		return err
	}
	p.notifier = notifier.NewManager(&notifier.Options{QueueCapacity: 1000, Registerer: p.registry}, model.UTF8Validation, p.log)
	p.rules = rules.NewManager(&rules.ManagerOptions{
		Appendable: p.fanout, Queryable: p.storage, QueryFunc: rules.EngineQueryFunc(p.engine, p.fanout),
		NotifyFunc: rules.SendAlerts(p.notifier, p.external.String()), Context: ctx, ExternalURL: p.external, Registerer: p.registry, Logger: p.log,
		ResendDelay: 15 * time.Second, ForGracePeriod: 10 * time.Minute, OutageTolerance: time.Hour, Parser: parser.NewParser(parser.Options{}),
	})
	metrics, err := discovery.CreateAndRegisterSDMetrics(p.registry)
	if err != nil {
		return err
	}
	for i, name := range []string{"scrape", "notify"} {
		if p.finding[i] = discovery.NewManager(ctx, p.log, p.registry, metrics, discovery.Name(name), discovery.Updatert(promptness)); p.finding[i] == nil {
			return errors.New("target discovery could not be set up")
		}
	}
	p.web = p.newWeb(ctx)
	return nil
}

func (p *embeddedPrometheus) openStorage() error {
	options := tsdb.DefaultOptions()
	options.RetentionDuration = prometheusKeeps.Milliseconds()
	stats := tsdb.NewDBStats()
	db, err := tsdb.Open(p.dir, p.log, p.registry, options, stats)
	if err != nil {
		return fmt.Errorf("opening the data base in %s: %w", p.dir, err)
	}
	p.storage = tsdbStorage{db, stats}
	p.fanout = storage.NewFanout(p.log, p.storage)
	return nil
}

func (p *embeddedPrometheus) newWeb(ctx context.Context) *web.Handler {
	notes := notifications.NewNotifications(16, p.registry)
	return web.New(p.log, &web.Options{
		Context: ctx, TSDBDir: p.dir, LocalStorage: p.storage, Storage: p.fanout, ExemplarStorage: p.storage, QueryEngine: p.engine,
		ScrapeManager: p.scraper, RuleManager: p.rules, Notifier: p.notifier, NotificationsGetter: notes.Get, NotificationsSub: notes.Sub,
		Version: &web.PrometheusVersion{Version: prometheusVersion()}, ExternalURL: p.external, RoutePrefix: "/", ListenAddresses: []string{p.listener.Addr().String()},
		Flags:          map[string]string{"storage.tsdb.retention.time": model.Duration(prometheusKeeps).String(), "storage.tsdb.path": p.dir},
		MaxConnections: 128, ReadTimeout: time.Minute, CORSOrigin: regexp.MustCompile("^$"), LookbackDelta: 5 * time.Minute,
		Gatherer: p.registry, Registerer: p.registry, EnableRemoteWriteReceiver: true, AppName: "foreshock demo", Parser: parser.NewParser(parser.Options{}),
	})
}

// prometheusVersion is that of the module, without the "v0." that Prometheus' modules have before their version: v0.315.0 is 3.15.0.
func prometheusVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "embedded"
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/prometheus/prometheus" {
			return moduleVersion(m.Version)
		}
	}
	return "embedded"
}

func moduleVersion(v string) string {
	var major, minor, patch int
	if n, _ := fmt.Sscanf(v, "v0.%1d%d.%d", &major, &minor, &patch); n != 3 {
		return "embedded"
	}
	return fmt.Sprintf("%d.%d.%d", major, minor, patch)
}

// apply gives the parts their configuration.
func (p *embeddedPrometheus) apply(conf *config.Config) error {
	for _, part := range []func(*config.Config) error{p.web.ApplyConfig, p.scraper.ApplyConfig, p.notifier.ApplyConfig, p.storage.ApplyConfig} {
		if err := part(conf); err != nil {
			return err
		}
	}
	var files []string
	for _, pattern := range conf.RuleFiles {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("rule files %q: %w", pattern, err)
		}
		files = append(files, matches...)
	}
	for _, f := range files { // Update only logs what is wrong with a file
		if _, errs := rulefmt.ParseFile(f, false, model.UTF8Validation, parser.NewParser(parser.Options{}), p.log); len(errs) > 0 {
			return errors.Join(errs...)
		}
	}
	interval := time.Duration(conf.GlobalConfig.EvaluationInterval)
	if err := p.rules.Update(interval, files, conf.GlobalConfig.ExternalLabels, p.external.String(), nil); err != nil {
		return err
	}
	targets, managers := map[string]discovery.Configs{}, map[string]discovery.Configs{}
	scrapes, err := conf.GetScrapeConfigs()
	if err != nil {
		return err
	}
	for _, s := range scrapes {
		targets[s.JobName] = s.ServiceDiscoveryConfigs
	}
	for name, a := range conf.AlertingConfig.AlertmanagerConfigs.ToMap() {
		managers[name] = a.ServiceDiscoveryConfigs
	}
	if err := p.finding[0].ApplyConfig(targets); err != nil {
		return err
	}
	return p.finding[1].ApplyConfig(managers)
}

// run starts everything.
func (p *embeddedPrometheus) run(ctx context.Context) {
	for _, m := range p.finding {
		p.running.Go(func() { _ = m.Run() }) // these end with ctx or Stop, and fail in no other way
	}
	p.running.Go(func() { _ = p.scraper.Run(p.finding[0].SyncCh()) })
	p.running.Go(func() { p.notifier.Run(p.finding[1].SyncCh()) })
	p.running.Go(p.rules.Run)
	p.running.Go(func() { _ = p.web.Run(ctx, []net.Listener{p.listener}, "") })
	p.web.SetReady(web.Ready)
}

// Stop ends all of it and waits for that. It may be called on what never came up, once.
func (p *embeddedPrometheus) Stop() {
	p.cancel()
	if p.rules != nil {
		p.rules.Stop()
	}
	if p.scraper != nil {
		p.scraper.Stop()
	}
	if p.notifier != nil {
		p.notifier.Stop()
	}
	p.running.Wait()
	p.listener.Close()
	if p.engine != nil {
		p.engine.Close()
	}
	if p.storage.DB != nil {
		p.storage.Close()
	}
}

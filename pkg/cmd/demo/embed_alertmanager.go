package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/api"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
)

// embeddedAlertmanager is a real Alertmanager in this process: dispatcher, grouping, inhibition, silences, receivers and API v2 of the
// module's own packages. It keeps nothing on disk, has no peers and no pages.
type embeddedAlertmanager struct {
	url        string
	http       *http.Server
	alerts     *mem.Alerts
	inhibitor  *inhibit.Inhibitor
	dispatcher *dispatch.Dispatcher
	upkeep     chan struct{}
	running    sync.WaitGroup
}

// alertmanagerParts are what the assembly hands from one step to the next.
type alertmanagerParts struct {
	log      *slog.Logger
	registry *prometheus.Registry
	features featurecontrol.Flagger
	recorder eventrecorder.Recorder
	config   *config.Config
	external *url.URL
	sent     *nflog.Log
	silences *silence.Silences
	silencer *silence.Silencer
	groups   marker.GroupMarker
	current  atomic.Pointer[dispatch.Dispatcher]
}

const (
	// alertmanagerKeeps is how long silences and sent notifications are remembered: far longer than a demo runs.
	alertmanagerKeeps = 24 * time.Hour
	// alertmanagerUpkeep is how often what is older is forgotten.
	alertmanagerUpkeep = 15 * time.Minute
)

// matcherMode sets Alertmanager's default way of reading matchers: global to the process, so it is done once, and before any configuration is read.
var matcherMode = sync.OnceValue(func() error {
	log := slog.New(slog.DiscardHandler)
	flags, err := featurecontrol.NewFlags(log, "")
	if err == nil {
		compat.InitFromFlags(log, flags)
	}
	return err
})

// startEmbeddedAlertmanager serves an Alertmanager with the given configuration (YAML) on a free loopback port. Stop ends it.
func startEmbeddedAlertmanager(yml string, log *slog.Logger) (*embeddedAlertmanager, error) {
	if err := matcherMode(); err != nil {
		return nil, fmt.Errorf("choosing how Alertmanager reads matchers: %w", err)
	}
	conf, err := config.Load(yml)
	if err != nil {
		return nil, fmt.Errorf("reading Alertmanager's configuration: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for Alertmanager: %w", err)
	}
	am := &embeddedAlertmanager{url: "http://" + listener.Addr().String(), upkeep: make(chan struct{})}
	if err := am.assemble(conf, log); err != nil {
		listener.Close()
		am.Stop()
		return nil, fmt.Errorf("assembling Alertmanager: %w", err)
	}
	am.running.Go(func() { _ = am.http.Serve(listener) }) // ends with Stop
	return am, nil
}

// URL is where it listens, without a slash at the end.
func (am *embeddedAlertmanager) URL() string { return am.url }

// assemble builds the parts in the order that they need each other, and starts them.
func (am *embeddedAlertmanager) assemble(conf *config.Config, log *slog.Logger) error {
	p := &alertmanagerParts{log: log, registry: prometheus.NewRegistry(), config: conf, groups: marker.NewGroupMarker()}
	var err error
	if p.external, err = url.Parse(am.url); err != nil {
		return err
	}
	if p.features, err = featurecontrol.NewFlags(log, ""); err != nil {
		return err
	}
	if p.sent, err = nflog.New(nflog.Options{Retention: alertmanagerKeeps, Logger: log, Metrics: p.registry}); err != nil {
		return err
	}
	if p.silences, err = silence.New(silence.Options{Retention: alertmanagerKeeps, Logger: log, Metrics: p.registry}); err != nil {
		return err
	}
	p.silencer = silence.NewSilencer(p.silences, log, p.recorder)
	if am.alerts, err = mem.NewAlerts(context.Background(), alertmanagerUpkeep, 0, p.silencer, log, p.recorder, p.registry, p.features); err != nil {
		return err
	}
	am.running.Go(func() { p.sent.Maintenance(alertmanagerUpkeep, "", am.upkeep, nil) })
	am.running.Go(func() { p.silences.Maintenance(alertmanagerUpkeep, "", am.upkeep, nil) })
	server, err := am.newAPI(p)
	if err != nil {
		return err
	}
	if err := am.startPipeline(p, server); err != nil {
		return err
	}
	am.http = &http.Server{Handler: server.Register(route.New(), "/"), ReadHeaderTimeout: 10 * time.Second}
	return nil
}

func (am *embeddedAlertmanager) newAPI(p *alertmanagerParts) (*api.API, error) {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "alertmanager_http_request_duration_seconds", Help: "Histogram of latencies for HTTP requests.",
	}, []string{"handler", "method", "code"})
	return api.New(api.Options{
		Alerts: am.alerts, Silences: p.silences, GroupMutedFunc: p.groups.Muted, Logger: p.log, Registry: p.registry, RequestDuration: durations,
		GroupFunc: func(ctx context.Context, routes func(*dispatch.Route) bool, alerts func(*alert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
			d := p.current.Load()
			if d == nil {
				return nil, nil, errors.New("still starting")
			}
			return d.Groups(ctx, routes, alerts)
		},
	})
}

func (am *embeddedAlertmanager) startPipeline(p *alertmanagerParts, server *api.API) error {
	templates, err := template.FromGlobs(p.config.Templates)
	if err != nil {
		return err
	}
	templates.ExternalURL = p.external
	receivers := map[string][]notify.Integration{}
	for _, r := range p.config.Receivers {
		if receivers[r.Name], err = receiver.BuildReceiverIntegrations(r, templates, p.log); err != nil {
			return err
		}
	}
	intervals := map[string][]timeinterval.TimeInterval{}
	for _, t := range p.config.TimeIntervals {
		intervals[t.Name] = t.TimeIntervals
	}
	am.inhibitor = inhibit.NewInhibitor(am.alerts, p.config.InhibitRules, p.log, p.recorder)
	alone := func() time.Duration { return 0 } // no peers to wait for
	pipeline := notify.NewPipelineBuilder(p.registry, p.features, p.recorder).
		New(receivers, alone, am.inhibitor, p.silencer, timeinterval.NewIntervener(intervals), p.groups, p.sent, nil)
	server.Update(p.config, func(ctx context.Context, ls model.LabelSet) {
		am.inhibitor.Mutes(ctx, ls)
		p.silencer.Mutes(ctx, ls)
	})
	timeout := func(d time.Duration) time.Duration { return max(d, notify.MinTimeout) }
	am.dispatcher = dispatch.NewDispatcher(am.alerts, dispatch.NewRoute(p.config.Route, nil), pipeline, p.groups, timeout, alertmanagerUpkeep, nil,
		p.log, p.recorder, dispatch.NewDispatcherMetrics(false, p.registry, p.features), templates)
	am.running.Go(am.inhibitor.Run)
	am.inhibitor.WaitForLoading()
	am.running.Go(func() { am.dispatcher.Run(time.Now()) })
	am.dispatcher.WaitForLoading()
	p.current.Store(am.dispatcher)
	return nil
}

// Stop ends all of it and waits for that. It may be called on what never came up, once.
func (am *embeddedAlertmanager) Stop() {
	if am.http != nil {
		am.http.Close()
	}
	close(am.upkeep)
	am.dispatcher.Stop()
	am.inhibitor.Stop()
	if am.alerts != nil {
		am.alerts.Close()
	}
	am.running.Wait()
}

// Package app wires the parts of the webhook together and owns their lifecycle: what main runs, and what whole-app tests start.
//
// The idea: New reads everything that can be wrong (configuration, credentials, store, address) and fails with one sentence; Start begins
// to serve and returns; Stop ends every goroutine that was started, in the order in which nothing is lost: first the listener, then the
// executor, last the store.
//
//	a, err := app.New(ctx, app.Options{ConfigFile: "foreshock-webhook.yml", Log: logger})
//	err = a.Start()
//	…
//	err = a.Stop(ctx)
//
// It handles no signals and decides nothing.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/foreshock/foreshock/pkg/httpserver"
	"github.com/foreshock/foreshock/pkg/loki"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/topology"
	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/api"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/config"
	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
	"github.com/foreshock/foreshock/webhook/store"
)

// Store is what the app needs of a store; tests put a failing one around the real one.
type Store interface {
	store.Store
}

// Options make an App. ConfigFile is needed.
type Options struct {
	ConfigFile    string
	Listen        []string // instead of web.listen of the configuration, when not empty
	WebConfigFile string   // instead of web.config_file
	Log           *slog.Logger
	Registry      *prometheus.Registry    // nil: a new one with the collectors of Go and of the process
	Now           func() time.Time        // nil: time.Now
	Wrap          func(store.Store) Store // nil: the store as it is
	Executor      func(o *action.Options) // nil: the executor's defaults
	Limits        httpserver.Limits       // of the listener; zero: see listenerLimits
	Transport     http.RoundTripper       // of messages; nil: notify's own
}

// App is a running webhook.
type App struct {
	o         Options
	state     atomic.Pointer[state]
	poster    *notify.Poster
	store     Store
	executor  *action.Executor
	intake    *stage.Intake
	server    *httpserver.Server
	key       []byte // signs sessions
	calendars *calendars
	silent    prometheus.Gauge // watchdogs
	clock     *action.Clock
	facts     *facts
	handler   http.Handler

	stop context.CancelFunc // ends the executor and the sweeper
	shut context.CancelFunc // ends the listener
	wg   sync.WaitGroup
	fail chan error // the listener's end
	once sync.Once
}

// state is what a reload replaces, as a whole.
type state struct {
	file     *config.File
	graph    *topology.Graph // of the file; nil without one
	prom     *prom.Client    // nil without one
	loki     *loki.Client    // nil without one
	channels map[string]notify.Channel
	settings api.Settings
}

// New reads the configuration, opens the channels and the store, and binds the address. Nothing runs yet; Stop must be called even when
// Start never is.
func New(ctx context.Context, o Options) (_ *App, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	clock := action.NewClock(o.Now, nil)
	if o.Now == nil {
		clock = action.NewClock(nil, elapsed)
	}
	o.Now = clock.Now
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
		o.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	a := &App{o: o, clock: clock, poster: notify.NewPoster(o.Transport), fail: make(chan error, 1), calendars: newCalendars(o.Registry)}
	a.silent = prometheus.NewGauge(prometheus.GaugeOpts{Name: "foreshock_webhook_watchdogs_silent", Help: "Watchdogs that are not heard, and of which people were told."})
	o.Registry.MustRegister(a.silent)
	first, err := a.load()
	if err != nil {
		return nil, err
	}
	a.state.Store(first)
	url, err := first.file.StoreURL()
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Options{URL: url.Reveal(), Now: o.Now})
	if err != nil {
		return nil, err
	}
	a.store = db
	if o.Wrap != nil {
		a.store = o.Wrap(db)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.store.Close())
		}
	}()
	if a.key, err = a.store.Key(ctx, "sessions"); err != nil {
		return nil, err
	}
	if err := a.guard(first); err != nil {
		return nil, err
	}
	if err := a.wire(); err != nil {
		return nil, err
	}
	return a, a.server.Listen()
}

// wire makes the parts from the inside out: executor, chain, API, listener.
func (a *App) wire() error {
	o := a.o
	counts := action.NewMetrics(o.Registry, a.state.Load().file.Channels.Names()...)
	later := action.Later{Cases: a.store, Rules: a.rules, Roster: a.roster, Mutes: a.mutes, Now: o.Now, Metrics: counts}
	handlers := later.Handlers()
	counters := stage.NewMetrics(o.Registry)
	a.facts = &facts{a: a, silences: map[string]policy.Mutes{}, failing: map[string]bool{}, graph: a.state.Load().graph}
	parts := stage.Parts{
		Store: a.store, Rules: a.rules, Authority: authority{a}, Metrics: counters, Now: o.Now,
		Graph: a.facts.Graph, Silences: a.facts.Silences, Restarts: a.facts.Restarts, Ask: a.facts.Ask,
	}
	handlers[cases.Review] = action.Reviews{Review: parts.Reviewer().Review}
	handlers[cases.DeadLetter] = deadLetter{a}
	handlers[cases.AutoClose] = action.Close{Cases: a.store, Now: o.Now}
	options := action.Options{
		Queue: a.store, Senders: senders{a}, Retry: func() policy.Retry { return a.state.Load().file.Retry },
		Fallback: func() policy.Fallback { return a.state.Load().file.Fallback }, Dead: a.dead,
		Handlers: handlers, Clock: a.clock, Log: o.Log, Metrics: counts,
	}
	if o.Executor != nil {
		o.Executor(&options)
	}
	var err error
	if a.executor, err = action.New(options); err != nil {
		return err
	}
	a.intake = stage.NewIntake(stage.IntakeOptions{
		Chain: parts.Chain(),
		Store: a.store, Committed: a.executor.Wake, Metrics: counters,
	})
	handler, err := api.New(api.Options{
		Open: api.OpenPaths(), Reply: a.replySlack, Intake: a.intake, Health: a.executor.Health, Store: a.store, OnCall: onCall{a.store, a}, Settings: func() api.Settings { return a.state.Load().settings },
		Committed: a.executor.Wake, Registerer: o.Registry, Log: o.Log, Now: o.Now, Noise: a.store, Silences: a.facts.all,
	})
	if err != nil {
		return err
	}
	a.handler = handler
	if err := o.Registry.Register(newTotals(a.store, o.Now)); err != nil {
		return fmt.Errorf("register the totals: %w", err)
	}
	file := a.state.Load().file
	a.server, err = httpserver.New(httpserver.Options{
		Listen: or(o.Listen, file.Web.Listen), WebConfigFile: or([]string{o.WebConfigFile}, []string{file.Web.ConfigFile})[0],
		Registry: o.Registry, Logger: o.Log, Handler: handler, Ready: a.ready, Reload: a.reload, MayReload: handler.MayReload,
		Limits: listenerLimits(o.Limits),
	})
	return err
}

// guard puts who may do what into the settings.
func (a *App) guard(s *state) (err error) {
	if err = a.linkKey(s); err != nil {
		return err
	}
	s.settings.Auth, err = s.file.Guard(a.key, a.o.Now)
	return err
}

// or is the first list when it says anything, else the second.
func or(first, second []string) []string {
	if len(first) > 0 && first[0] != "" {
		return first
	}
	return second
}

// listenerLimits lets many slow clients in, each for a short time: they must not keep good ones out. A connection costs some 20 KB.
func listenerLimits(l httpserver.Limits) httpserver.Limits {
	if l.MaxConnections == 0 {
		l.MaxConnections = 8192
	}
	if l.ReadHeader == 0 {
		l.ReadHeader = 5 * time.Second
	}
	return l
}

// load reads the configuration and opens its channels.
func (a *App) load() (*state, error) {
	file, err := config.Load(a.o.ConfigFile)
	if err != nil {
		return nil, err
	}
	return a.open(file)
}

func (a *App) open(file *config.File) (*state, error) {
	interactions, err := a.interactions(file)
	if err != nil {
		return nil, err
	}
	channels, err := file.Open(notify.Env{Poster: a.poster, Logger: a.o.Log, Now: a.o.Now, Act: a.actLink, Buttons: len(interactions.Slack) > 0})
	if err != nil {
		return nil, err
	}
	key, err := file.GrafanaSecret()
	if err != nil {
		return nil, err
	}
	file.Rules = file.WithWatchdogs(file.Cluster)
	graph, err := file.Graph()
	if err != nil {
		return nil, err
	}
	address, err := file.PrometheusURL()
	if err != nil {
		return nil, err
	}
	var client *prom.Client
	if address != "" {
		if client, err = prom.New(prom.Options{URL: address.Reveal()}); err != nil {
			return nil, fmt.Errorf("prometheus.url: %w", err)
		}
	}
	logs, err := openLoki(file)
	if err != nil {
		return nil, err
	}
	return &state{file: file, channels: channels, graph: graph, prom: client, loki: logs, settings: api.Settings{
		Cluster: file.Cluster, Language: file.Language, Raw: file.Limits.Raw, Body: file.Limits.Body, Rules: file.Rules,
		Limits: alert.Limits{Annotation: int(file.Limits.Annotation), Prose: file.Limits.Prose, Memory: file.Limits.Memory},
		Grafana: api.Signature{
			Key: []byte(key.Reveal()), Header: file.Grafana.SignatureHeader, TimestampHeader: file.Grafana.TimestampHeader,
			MaxAge: time.Duration(file.Grafana.MaxAge),
		},
		ExternalURL: file.ExternalURL, Explore: api.Explore{URL: file.Grafana.URL, DataSource: file.Grafana.DataSource}, Channels: file.Channels.Names(),
		Interactions: interactions,
	}}, nil
}

// reload replaces what a reload can replace; on error the old stays. What needs a restart is said in the log.
func (a *App) reload() error {
	next, err := a.load()
	if err == nil {
		err = a.guard(next)
	}
	if err != nil {
		return err
	}
	old := a.state.Load().file
	if next.file.Store != old.Store || !slices.Equal(next.file.Web.Listen, old.Web.Listen) || next.file.Web.ConfigFile != old.Web.ConfigFile {
		a.o.Log.Warn("the sections store and web are read at the start only: restart for the new ones")
	}
	a.state.Store(next)
	a.calendars.again()
	a.executor.Wake() // a channel that was missing may be there now
	return nil
}

// Reload reads the configuration again, as POST /-/reload does; on error the old stays in force.
func (a *App) Reload() error { return a.server.Reload() }

func (a *App) rules() policy.Rules { return a.state.Load().file.Rules }

// ready asks the store, as the next delivery would.
func (a *App) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return a.store.Ready(ctx)
}

// Start begins to serve, to send and to sweep, and returns.
func (a *App) Start() error {
	work, stop := context.WithCancel(context.Background())
	serve, shut := context.WithCancel(context.Background())
	a.stop, a.shut = stop, shut
	a.work(work)
	go func() { a.fail <- a.server.Run(serve) }()
	if s := a.state.Load(); s.settings.Auth.Open() && s.file.Web.ConfigFile == "" && a.o.WebConfigFile == "" && slices.ContainsFunc(a.server.Addrs(), beyondLoopback) {
		a.o.Log.Warn("anyone who reaches this address may send alerts and give commands: set auth, or web.config_file", "addresses", a.server.Addrs())
	}
	a.o.Log.Info("listening", "addresses", a.server.Addrs(), "channels", a.state.Load().file.Channels.Names())
	return nil
}

// beyondLoopback reports whether other machines can reach the address.
func beyondLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true
	}
	ip := net.ParseIP(host)
	return ip == nil || !ip.IsLoopback()
}

// work starts everything but the listener; it ends with the context.
func (a *App) work(ctx context.Context) {
	a.wg.Go(func() {
		if err := a.executor.Run(ctx); err != nil {
			a.o.Log.Error("the executor ended", "err", err)
		}
	})
	a.wg.Go(func() { a.sweep(ctx) })
	a.wg.Go(func() { a.settle(ctx) })
	a.wg.Go(func() { a.importCalendars(ctx) })
	a.wg.Go(func() { a.watch(ctx) })
	a.wg.Go(func() { a.facts.watch(ctx) })
}

// Addr is the first address listened on.
func (a *App) Addr() string { return a.server.Addr() }

// Wait returns when the listener ends by itself, or the context does.
func (a *App) Wait(ctx context.Context) error {
	select {
	case err := <-a.fail:
		a.fail <- err // for Stop
		return err
	case <-ctx.Done():
		return nil
	}
}

// Stop ends everything and returns when it has ended: requests in flight are answered, messages in flight are finished, the store is
// closed. What waits to be sent is sent after the next start.
func (a *App) Stop() error {
	var err error
	a.once.Do(func() {
		if a.stop != nil {
			a.shut()
			err = <-a.fail
			a.stop()
			a.wg.Wait()
		}
		err = errors.Join(err, a.store.Close())
	})
	return err
}

// senders finds channels for the executor.
type senders struct{ a *App }

func (s senders) Sender(name string) (action.Sender, bool) {
	c, ok := s.a.state.Load().channels[name]
	if !ok {
		return nil, false
	}
	return notify.Sender{Channel: c}, true
}

// authority asks the Alertmanagers of the configuration in force.
type authority struct{ a *App }

func (u authority) Firing(ctx context.Context, cluster string, alerts []alert.Alert) ([]bool, error) {
	return stage.Alertmanagers{URLs: u.a.state.Load().file.Alertmanagers}.Firing(ctx, cluster, alerts)
}

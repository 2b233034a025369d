// Package plugin is the Grafana data source: it turns queries of panels and alert rules into verdicts over Prometheus data, and
// those into data frames. It is an adapter: the numbers come from pkg/detect, the samples from pkg/prom.
//
// The idea: a query carries its own step, training window and policy, and from and to only choose which verdicts are shown. Each
// kind of query is a registered options struct in a file query_<kind>.go; the forms of the editor are drawn from the descriptors that
// the resource handler serves, so that a new detector or kind needs no TypeScript.
//
//	datasource.Manage("foreshock-anomaly-datasource", plugin.NewDatasource, datasource.ManageOpts{})
//
// One instance serves one configured data source: its client, its cache of answers and its cache of fits live as long as its settings
// do. The package reads no file and no environment variable, and prints nothing.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"

	"github.com/foreshock/foreshock/pkg/casesapi"
	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/loki"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// Source is all that queries need of Prometheus: the samples of an expression on an absolute grid. A recorded file implements it in tests.
type Source interface {
	Range(ctx context.Context, expr string, grid series.Grid) (prom.Answer, error)
}

// Datasource is one configured data source. It is safe for concurrent use.
type Datasource struct {
	settings Settings
	source   Source
	client   *prom.Client
	cases    *casesapi.Client // nil: no webhook is named
	loki     *loki.Client     // nil: no address was given
	fits     *detect.Fits
	history  *history
	now      func() time.Time
	broken   error // what is wrong with the settings: every request answers it
	close    func()

	backend.CallResourceHandler
}

var (
	_ backend.QueryDataHandler      = (*Datasource)(nil)
	_ backend.CheckHealthHandler    = (*Datasource)(nil)
	_ backend.CallResourceHandler   = (*Datasource)(nil)
	_ instancemgmt.InstanceDisposer = (*Datasource)(nil)
)

// NewDatasource makes the instance for one state of the settings. Settings that cannot work are no error here: each request, and
// "Save & test", answers with the sentence that says what is wrong.
func NewDatasource(ctx context.Context, settings backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	d := &Datasource{now: time.Now, close: func() {}}
	d.CallResourceHandler = httpadapter.New(d.resources())
	if err := d.configure(ctx, settings); err != nil {
		d.broken = err
	}
	return d, nil
}

func (d *Datasource) configure(ctx context.Context, settings backend.DataSourceInstanceSettings) error {
	var err error
	if d.settings, err = readSettings(settings.JSONData); err != nil {
		return err
	}
	if settings.URL == "" {
		return errors.New("the data source has no URL: enter the address of Prometheus, such as http://prometheus:9090")
	}
	options, err := settings.HTTPClientOptions(ctx)
	if err != nil {
		return fmt.Errorf("the HTTP settings cannot be used: %w", err)
	}
	client, err := d.open(options)
	if err != nil {
		return err
	}
	d.client, err = prom.New(prom.Options{URL: settings.URL, HTTP: client, Method: d.settings.HTTPMethod, Limits: prom.Limits{MaxSeries: seriesAsked(d.settings.MaxSeries)}})
	if err != nil {
		return err
	}
	if d.settings.WebhookURL != "" {
		plain, err := d.elsewhere(httpclient.Options{Timeouts: options.Timeouts, ProxyOptions: options.ProxyOptions, TLS: options.TLS})
		if err != nil {
			return err
		}
		d.cases, err = casesapi.New(casesapi.Options{URL: d.settings.WebhookURL, Token: settings.DecryptedSecureJSONData["webhookToken"], HTTP: plain})
		if err != nil {
			return err
		}
	}
	blocks := prom.NewBlocks(d.client, prom.BlocksOptions{MaxBytes: int64(d.settings.BlockCache) << 20, Settle: max(d.settings.Settle.Std(), sealed)})
	d.source = cached{blocks: blocks, now: d.now}
	room := int64(d.settings.FitCache) << 20
	d.fits = detect.NewFits(room).WithResults(2 * room)
	d.history = &history{ask: d.client.History}
	if d.settings.LokiURL == "" {
		return nil
	}
	return d.configureLoki(ctx, settings)
}

// configureLoki makes the client for Loki. It has Prometheus' TLS, proxy and timeouts, and none of its credentials, which are not for another server.
func (d *Datasource) configureLoki(ctx context.Context, settings backend.DataSourceInstanceSettings) error {
	options, err := settings.HTTPClientOptions(ctx)
	if err != nil {
		return fmt.Errorf("the HTTP settings cannot be used: %w", err)
	}
	options.BasicAuth, options.Header, options.SigV4 = nil, nil, nil
	client, err := d.elsewhere(options)
	if err != nil {
		return err
	}
	d.loki, err = loki.New(loki.Options{
		URL: d.settings.LokiURL, Tenant: d.settings.LokiTenant, User: d.settings.LokiUser, Password: settings.DecryptedSecureJSONData["lokiPassword"], HTTP: client,
	})
	return err
}

// elsewhere makes the client for another server than Prometheus: what Prometheus is asked with is nobody else's, its client certificate neither.
func (d *Datasource) elsewhere(options httpclient.Options) (*http.Client, error) {
	if options.TLS != nil {
		tls := *options.TLS
		tls.ClientCertificate, tls.ClientKey = "", ""
		options.TLS = &tls
	}
	return d.open(options)
}

// open makes a client whose connections end with the instance. That of the SDK hides its transport behind middleware, so CloseIdleConnections of the
// client itself does nothing.
func (d *Datasource) open(options httpclient.Options) (*http.Client, error) {
	var transport *http.Transport
	options.ConfigureTransport = func(_ httpclient.Options, t *http.Transport) { transport = t }
	client, err := httpclient.New(options)
	if err != nil {
		return nil, fmt.Errorf("the HTTP settings cannot be used: %w", err)
	}
	others := d.close
	d.close = func() { others(); transport.CloseIdleConnections() }
	return client, nil
}

// Dispose frees what the instance holds; Grafana calls it when the settings have changed.
func (d *Datasource) Dispose() { d.close() }

// seriesAsked is how many series one answer may bring for so many judged: a window of a week also holds the series that are gone by
// now, and which of them matter is only known when the samples are here.
func seriesAsked(judged int) int { return max(10*judged, 1000) }

// cached reads through the cache of day blocks.
type cached struct {
	blocks *prom.Blocks
	now    func() time.Time
}

// sealed is the age from which samples are kept, at the least: most sources that accept late samples do so for minutes.
const sealed = 10 * time.Minute

// Range implements Source.
func (c cached) Range(ctx context.Context, expr string, grid series.Grid) (prom.Answer, error) {
	return c.blocks.Range(ctx, expr, grid, c.now().UnixMilli())
}

// history knows how far back the server's samples reach. It asks at most once in ten minutes, and keeps what it knew when the server does
// not answer.
type history struct {
	ask func(ctx context.Context, now int64) (prom.History, error)

	mu    sync.Mutex
	next  time.Time // when to ask again
	known prom.History
}

const (
	historyAge     = 10 * time.Minute // retention changes with a restart of the server only
	historyRetry   = time.Minute      // after a failure
	historyTimeout = 5 * time.Second  // queries wait for the answer
)

// get returns what is known.
func (h *history) get(ctx context.Context, now time.Time) prom.History {
	if h == nil { // a source without a server deletes nothing
		return prom.History{Sure: true}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !now.Before(h.next) {
		asking, cancel := context.WithTimeout(ctx, historyTimeout)
		defer cancel()
		known, err := h.ask(asking, now.UnixMilli())
		switch {
		case ctx.Err() != nil: // says nothing about the server
		case err != nil:
			h.next = now.Add(historyRetry)
		default:
			h.next, h.known = now.Add(historyAge), known
		}
	}
	return h.known
}

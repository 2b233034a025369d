package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"text/template"
	"time"
)

// What the shop's verdicts are about. The window is a minute: the history has a sample every 15 seconds.
const (
	latencyExpr = `sum by (service) (rate(shop_request_duration_seconds_sum[1m])) / sum by (service) (rate(shop_request_duration_seconds_count[1m]))`
	trafficExpr = `sum by (service) (rate(shop_requests_total[1m]))`
)

// server is a part that can be reached and ended.
type server interface {
	URL() string
	Stop()
}

// stack is everything that runs.
type stack struct {
	dir, logs    string
	shop         *shop
	shopURL      string
	prometheus   server
	alertmanager server
	exporter     *process
	scorer       *process
	webhook      *process
	plugin       *pluginProcess
	inbox        *inbox
	addresses    addresses
	alertLog     *tail
	logBegan     time.Time // of the log of the shop

	stops []func() // last started first
}

// addresses are host:port of what is configured before it runs.
type addresses struct{ Exporter, Scorer, Webhook, Shop string }

// stop ends everything in reverse order.
func (s *stack) stop() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
	s.stops = nil
	http.DefaultClient.CloseIdleConnections()
}

func (s *stack) onStop(f func()) { s.stops = append(s.stops, f) }

// start starts the parts in the order that they need each other.
func (s *stack) start(ctx context.Context, o options, b binaries, story *story) error {
	for _, a := range []*string{&s.addresses.Exporter, &s.addresses.Scorer, &s.addresses.Webhook} {
		var err error
		if *a, err = freeAddress(); err != nil {
			return err
		}
	}
	var err error
	if s.inbox, err = startInbox(); err != nil {
		return fmt.Errorf("starting the receiver of notifications: %w", err)
	}
	s.onStop(s.inbox.Stop)
	if err := s.startExporter(ctx, b); err != nil {
		return err
	}
	if err := s.startAlertmanager(ctx, o); err != nil {
		return err
	}
	if err := s.startWebhook(ctx, b); err != nil {
		return err
	}
	if err := s.backfill(ctx, o, story); err != nil {
		return err
	}
	if err := s.startShopLog(o.seed); err != nil {
		return err
	}
	if err := s.startPrometheus(ctx, o); err != nil {
		return err
	}
	if err := s.startScorer(ctx, b); err != nil {
		return err
	}
	if s.plugin, err = startPlugin(b.plugin, s.prometheus.URL(), s.webhookURL("")); err != nil {
		return err
	}
	s.onStop(s.plugin.Stop)
	return nil
}

// backfill writes the shop's history and opens the shop where it ends.
func (s *stack) backfill(ctx context.Context, o options, story *story) error {
	data := filepath.Join(s.dir, "prometheus", "data")
	// Twice: the second time adds what passed meanwhile, so that no hole is left between history and present.
	for from := time.Now().Add(-history); time.Since(from) > shopStep; {
		end := time.Now().Truncate(shopStep)
		if s.shop == nil {
			s.shop = newShop(end.Add(-history), o.seed)
		}
		var percent atomic.Int64
		status := func() string { return fmt.Sprintf("%d %%", percent.Load()) }
		err := story.during("writing 16 days of history of the shop", status, func() error {
			return backfill(ctx, data, s.shop, end, func(share float64) { percent.Store(int64(100 * share)) })
		})
		if err != nil {
			return err
		}
		from = end
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("opening the shop: %w", err)
	}
	s.addresses.Shop, s.shopURL = l.Addr().String(), "http://"+l.Addr().String()+"/metrics"
	served := &http.Server{Handler: s.shop, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = served.Serve(l) }() // ends with Close
	s.onStop(func() { served.Close() })
	return nil
}

func (s *stack) startExporter(ctx context.Context, b binaries) error {
	file, err := s.write("logs.yml", map[string]string{"ShopLog": s.shopLogPath(), "Logs": s.logs})
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.shopLogPath(), nil, 0o600); err != nil { // the exporter looks for new files only from time to time
		return err
	}
	cmd := exec.Command(b.exporter, "--web.listen-address="+s.addresses.Exporter, "--collector.logs.config="+file)
	s.exporter, err = s.launch(ctx, "exporter", cmd, "http://"+s.addresses.Exporter+"/metrics")
	return err
}

func (s *stack) startWebhook(ctx context.Context, b binaries) error {
	file, err := s.write("webhook.yml", map[string]string{
		"WebhookURL": "http://" + s.addresses.Webhook, "AlertmanagerURL": s.alertmanager.URL(), "Inbox": s.inbox.url,
	})
	if err != nil {
		return err
	}
	cmd := exec.Command(b.webhook, "--config.file="+file, "--web.listen-address="+s.addresses.Webhook)
	s.webhook, err = s.launch(ctx, "webhook", cmd, s.webhookURL("/-/ready"))
	return err
}

func (s *stack) webhookURL(path string) string { return "http://" + s.addresses.Webhook + path }

func (s *stack) startScorer(ctx context.Context, b binaries) error {
	file, err := s.write("detectors.yml", map[string]string{
		"PrometheusURL": s.prometheus.URL(), "LatencyExpr": latencyExpr, "TrafficExpr": trafficExpr,
	})
	if err != nil {
		return err
	}
	cmd := exec.Command(b.foreshock, "score", "--config.file="+file, "--web.listen-address="+s.addresses.Scorer)
	s.scorer, err = s.launch(ctx, "scorer", cmd, "http://"+s.addresses.Scorer+"/metrics")
	return err
}

// startLimit is how long a program may take until it answers; one that opens two weeks of data on a busy machine takes seconds.
const startLimit = time.Minute

// launch starts a program and waits until it answers.
func (s *stack) launch(ctx context.Context, name string, cmd *exec.Cmd, ready string) (*process, error) {
	cmd.Dir = s.dir
	p, err := startProcess(s.logs, name, cmd)
	if err != nil {
		return nil, err
	}
	s.onStop(p.Stop)
	return p, p.await(ctx, ready, startLimit)
}

func (s *stack) startAlertmanager(ctx context.Context, o options) error {
	hook := o.hook
	if hook == "" {
		hook = s.webhookURL("/api/v1/alerts")
	}
	file, err := s.write("alertmanager.yml", map[string]string{"Hook": hook})
	if err != nil {
		return err
	}
	if o.stack == stackDebian {
		return s.startDebianAlertmanager(ctx, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	log, lines, err := s.logger("alertmanager")
	if err != nil {
		return err
	}
	am, err := startEmbeddedAlertmanager(string(text), log)
	if err != nil {
		return err
	}
	s.onStop(am.Stop)
	s.alertmanager, s.alertLog = am, lines
	return nil
}

func (s *stack) startPrometheus(ctx context.Context, o options) error {
	dir := filepath.Join(s.dir, "prometheus")
	rules, err := s.write("rules.yml", nil)
	if err != nil {
		return err
	}
	file, err := s.write("prometheus.yml", map[string]string{
		"RuleFile": rules, "Alertmanager": strings.TrimPrefix(s.alertmanager.URL(), "http://"),
		"Shop": s.addresses.Shop, "Exporter": s.addresses.Exporter, "Scorer": s.addresses.Scorer, "Webhook": s.addresses.Webhook,
	})
	if err != nil {
		return err
	}
	if err := os.Rename(file, filepath.Join(dir, "prometheus.yml")); err != nil {
		return err
	}
	if o.stack == stackDebian {
		return s.startDebianPrometheus(ctx, dir)
	}
	log, _, err := s.logger("prometheus")
	if err != nil {
		return err
	}
	p, err := startEmbeddedPrometheus(dir, log)
	if err != nil {
		return err
	}
	s.onStop(p.Stop)
	s.prometheus = p
	return nil
}

// logger writes warnings of an embedded server into a file; the last lines stay in memory.
func (s *stack) logger(name string) (*slog.Logger, *tail, error) {
	file, err := os.Create(filepath.Join(s.logs, name+".log"))
	if err != nil {
		return nil, nil, err
	}
	lines := &tail{}
	reader, writer := io.Pipe()
	go func() {
		defer file.Close()
		lines.follow(io.TeeReader(reader, file))
	}()
	s.onStop(func() { writer.Close() })
	return slog.New(slog.NewTextHandler(writer, &slog.HandlerOptions{Level: slog.LevelWarn})), lines, nil
}

//go:embed config
var configs embed.FS

// write fills a template of the folder config into a file of the temporary folder.
func (s *stack) write(name string, values map[string]string) (string, error) {
	text, err := configs.ReadFile("config/" + name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, filepath.Base(name))
	if values == nil {
		return path, os.WriteFile(path, text, 0o600)
	}
	t, err := template.New(name).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	return path, errors.Join(t.Execute(f, values), f.Close())
}

// place copies a file of the folder config into dir as it is.
func (s *stack) place(name, dir string) error {
	text, err := configs.ReadFile("config/" + name)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), text, 0o600)
}

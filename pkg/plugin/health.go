package plugin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/registry"
)

// healthTimeout bounds the whole check: the browser waits for it.
const healthTimeout = 20 * time.Second

// maxSkew is how far the clocks may be apart. Beyond it the newest samples seem to be missing, or to lie in the future.
const maxSkew = 30 * time.Second

// CheckHealth tries the connection and says in one paragraph what is wrong and what to do, or what was found.
func (d *Datasource) CheckHealth(ctx context.Context, _ *backend.CheckHealthRequest) (result *backend.CheckHealthResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = unhealthy(failed(ctx, panicked(p)).Error.Error(), nil), nil
		}
	}()
	if d.broken != nil {
		return unhealthy(d.broken.Error(), nil), nil
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	lang := d.settings.Lang
	build, err := d.client.BuildInfo(ctx)
	if err != nil {
		return unhealthy(explain(lang, d.client.Address(), err), map[string]any{"error": err.Error()}), nil
	}
	if skew := build.Skew; build.HasClock && skew.Abs() > maxSkew {
		key := "plugin.health.clock-ahead"
		if skew < 0 {
			key = "plugin.health.clock-behind"
		}
		return unhealthy(message.Text(lang, key, "address", d.client.Address(), "skew", round(skew.Abs())), nil), nil
	}
	names, err := d.client.SeriesNames(ctx, "", prom.Lookup{Limit: 1})
	if err != nil {
		return unhealthy(explain(lang, d.client.Address(), err), map[string]any{"error": err.Error()}), nil
	}
	if len(names) == 0 {
		return unhealthy(message.Text(lang, "plugin.health.empty", "address", d.client.Address()), nil), nil
	}
	return d.healthy(ctx, build), nil
}

func round(d time.Duration) string {
	return registry.Duration(d.Round(time.Second)).String()
}

// healthy tells what was found; what a server does not tell is left out.
func (d *Datasource) healthy(ctx context.Context, build prom.Build) *backend.CheckHealthResult {
	lang := d.settings.Lang
	parts := []string{message.Text(lang, "plugin.health.ok", "address", d.client.Address())}
	details := map[string]any{}
	if build.Version != "" {
		parts = append(parts, message.Text(lang, "plugin.health.version", "version", build.Version))
		details["version"] = build.Version
	}
	if n, ok := d.single(ctx, "sum(prometheus_tsdb_head_series)"); ok {
		parts = append(parts, message.Text(lang, "plugin.health.series", "count", n))
		details["series"] = n
	}
	if n, ok := d.single(ctx, "count(up)"); ok {
		parts = append(parts, message.Text(lang, "plugin.health.targets", "count", n))
		details["targets"] = n
	}
	if info, err := d.client.RuntimeInfo(ctx); err == nil && info.Retention > 0 {
		retention := registry.Duration(info.Retention)
		details["retention"] = retention.String()
		key := "plugin.health.retention"
		// The training window before the anchor, which may be as old as one refit, and what the policy looks back.
		w := detect.DefaultWalk()
		if need := w.Train + w.Refit + detect.DefaultPolicy().Horizon; retention < need {
			key = "plugin.health.retention-short"
		}
		parts = append(parts, message.Text(lang, key, "retention", retention, "train", w.Train))
	}
	return &backend.CheckHealthResult{Status: backend.HealthStatusOk, Message: strings.Join(parts, message.Text(lang, "plugin.health.join")), JSONDetails: encode(details)}
}

// single returns the one value of an instant query as text.
func (d *Datasource) single(ctx context.Context, expr string) (string, bool) {
	v, err := d.client.Instant(ctx, expr, d.now().UnixMilli())
	if err != nil || len(v.Samples) != 1 {
		return "", false
	}
	return strconv.FormatFloat(v.Samples[0].Value, 'f', 0, 64), true
}

func unhealthy(text string, details map[string]any) *backend.CheckHealthResult {
	return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: text, JSONDetails: encode(details)}
}

func encode(details map[string]any) []byte {
	if len(details) == 0 {
		return nil
	}
	b, err := json.Marshal(details)
	if err != nil {
		return nil
	}
	return b
}

// explain says what is wrong with the connection and what to do about it.
func explain(lang, address string, err error) string {
	key := "plugin.health." + cause(err)
	return message.Text(lang, key, "address", address, "error", err.Error())
}

// cause names what is wrong with the connection; each is a key of the catalogue.
func cause(err error) string {
	var dns *net.DNSError
	var p *prom.Error
	switch {
	case errors.As(err, &dns):
		return "dns"
	case isTLS(err):
		return "tls"
	case !errors.As(err, &p):
		return "unreachable"
	}
	switch p.Kind {
	case prom.KindAuth:
		if p.Status == 403 {
			return "forbidden"
		}
		return "auth"
	case prom.KindNotPrometheus:
		return "not-prometheus"
	case prom.KindTimeout, prom.KindCanceled:
		return "timeout"
	case prom.KindUnavailable:
		if p.Status != 0 {
			return "unavailable"
		}
		return "unreachable"
	}
	return "refused"
}

func isTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	if errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &record) || errors.As(err, &alert) {
		return true
	}
	// net/http answers some of these as plain text.
	return strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

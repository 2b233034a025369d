package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"

	"github.com/foreshock/foreshock/pkg/series"
)

// The plugin binary is built once for all tests, and removed after them.
var (
	buildDir  string
	buildOnce sync.Once
	buildErr  error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if buildDir != "" {
		_ = os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

func binary(t testing.TB) string {
	t.Helper()
	buildOnce.Do(func() {
		if buildDir, buildErr = os.MkdirTemp("", "foreshock-plugin"); buildErr != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(buildDir, "gpx_foreshock"), "github.com/foreshock/foreshock/pkg")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			buildErr = fmt.Errorf("build the plugin: %w\n%s", err, out)
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return filepath.Join(buildDir, "gpx_foreshock")
}

// driver speaks with the plugin as Grafana does.
type driver struct {
	data     grpcplugin.DataClient
	health   grpcplugin.DiagnosticsClient
	resource grpcplugin.ResourceClient
	settings backend.DataSourceInstanceSettings
}

func start(t testing.TB, url, jsonData string) *driver {
	t.Helper()
	c := goplugin.NewClient(&goplugin.ClientConfig{
		Cmd: exec.Command(binary(t)),
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: grpcplugin.ProtocolVersion, MagicCookieKey: grpcplugin.MagicCookieKey, MagicCookieValue: grpcplugin.MagicCookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{grpcplugin.ProtocolVersion: {
			"diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{}, "resource": &grpcplugin.ResourceGRPCPlugin{},
			"data": &grpcplugin.DataGRPCPlugin{}, "stream": &grpcplugin.StreamGRPCPlugin{},
		}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
	})
	t.Cleanup(c.Kill)
	rpc, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	dispense := func(name string) any {
		raw, err := rpc.Dispense(name)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	return &driver{
		data: dispense("data").(grpcplugin.DataClient), health: dispense("diagnostics").(grpcplugin.DiagnosticsClient),
		resource: dispense("resource").(grpcplugin.ResourceClient),
		settings: backend.DataSourceInstanceSettings{
			ID: 1, UID: "foreshock", Type: "foreshock-anomaly-datasource", Name: "Foreshock", URL: url, JSONData: []byte(jsonData), Updated: time.Unix(1, 0),
			BasicAuthEnabled: true, BasicAuthUser: "grafana", DecryptedSecureJSONData: map[string]string{"basicAuthPassword": "hunter2"},
		},
	}
}

func (d *driver) context() backend.PluginContext {
	return backend.PluginContext{PluginID: "foreshock-anomaly-datasource", DataSourceInstanceSettings: &d.settings}
}

func (d *driver) query(ctx context.Context, headers map[string]string, queries ...backend.DataQuery) (*backend.QueryDataResponse, error) {
	pb, err := d.data.QueryData(ctx, backend.ToProto().QueryDataRequest(&backend.QueryDataRequest{PluginContext: d.context(), Headers: headers, Queries: queries}))
	if err != nil {
		return nil, err
	}
	return backend.FromProto().QueryDataResponse(pb)
}

// get asks for a resource.
func (d *driver) get(t testing.TB, path string) (int, string) {
	t.Helper()
	name, _, _ := strings.Cut(path, "?")
	stream, err := d.resource.CallResource(context.Background(), &pluginv2.CallResourceRequest{
		PluginContext: backend.ToProto().PluginContext(d.context()), Path: name, Method: "GET", Url: path,
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return int(r.Code), string(r.Body)
}

func realData(t testing.TB) map[string][]series.Series {
	latency, crm, cpu := nab(t, "ec2_request_latency"), nab(t, "twitter_volume_crm"), nab(t, "ec2_cpu")
	// All on one time axis, so that one query can show them together.
	crm.Grid.Start, cpu.Grid.Start = latency.Grid.Start-10*24*3_600_000, latency.Grid.Start-3_600_000
	return map[string][]series.Series{
		"latency": {latency}, "nab": {cpu, latency, crm},
		`rate(nab[1m15s])`: {latency}, // what the macro must become, whatever the panel
	}
}

func TestBinaryHealthAndResources(t *testing.T) {
	t.Parallel()
	srv := newServer(t, realData(t))
	d := start(t, srv.URL, `{"lang":"zh-Hans"}`)
	h, err := d.health.CheckHealth(context.Background(), &pluginv2.CheckHealthRequest{PluginContext: backend.ToProto().PluginContext(d.context())})
	if err != nil {
		t.Fatal(err)
	}
	if h.Status != pluginv2.CheckHealthResponse_OK || !strings.Contains(h.Message, "已连接 "+srv.URL) || !strings.Contains(h.Message, "2.42.0") {
		t.Errorf("health: %v %q", h.Status, h.Message)
	}
	code, body := d.get(t, "descriptors?lang=en")
	var desc Descriptors
	if err := json.Unmarshal([]byte(body), &desc); err != nil || code != 200 {
		t.Fatalf("descriptors: %d %v", code, err)
	}
	names := map[string]bool{}
	for _, x := range desc.Detectors {
		names[x.Name] = len(x.Params) > 0
	}
	if !names["mad"] || !names["seasonal"] || len(desc.Policy) == 0 || len(desc.Walk) == 0 || desc.Kinds[0].Name != "detect" {
		t.Errorf("descriptors lack something: %s", body)
	}
	if code, body := d.get(t, "labels/file/values?start=1&end=2"); code != 200 || body != `["a","b"]` {
		t.Errorf("label values: %d %s", code, body)
	}
	if code, body := d.get(t, "metrics?prefix=nab&limit=2"); code != 200 || !strings.Contains(body, `{"name":"nab_bucket","type":"histogram","help":"Numenta."}`) {
		t.Errorf("metrics: %d %s", code, body)
	}
	if code, body := d.get(t, "labels?begin=1"); code != 400 || body != `{"error":"unknown parameter \"begin\": want one of start, end, limit, match"}` {
		t.Errorf("mistaken parameter: %d %s", code, body)
	}
}

// verdict is what was said about one sample of one series.
type verdict struct {
	score, expected, lower, upper, anomaly float64
}

func (v verdict) equal(w verdict) bool {
	same := func(a, b float64) bool {
		return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(1, math.Abs(a))
	}
	return same(v.score, w.score) && same(v.expected, w.expected) && same(v.lower, w.lower) && same(v.upper, w.upper) && same(v.anomaly, w.anomaly)
}

// verdicts reads the frames of a series answer: by series and time.
func verdicts(t testing.TB, frames data.Frames) map[string]map[int64]verdict {
	t.Helper()
	out := map[string]map[int64]verdict{}
	for _, f := range frames {
		if len(f.Fields) == 0 {
			continue
		}
		key := field(t, f, "actual").Labels.String()
		out[key] = map[int64]verdict{}
		times := field(t, f, "time")
		at := func(name string, i int) float64 {
			x, err := field(t, f, name).NullableFloatAt(i)
			if err != nil {
				t.Fatal(err)
			}
			if x == nil {
				return math.NaN()
			}
			return *x
		}
		for i := range times.Len() {
			out[key][times.At(i).(time.Time).UnixMilli()] = verdict{at("score", i), at("expected", i), at("lower", i), at("upper", i), at("anomaly", i)}
		}
	}
	return out
}

func realQuery(detector string) map[string]any {
	return map[string]any{"expr": "nab", "detector": detector, "step": "5m", "train": "3d", "refit": "12h", "min_train": "1d", "policy": map[string]any{"horizon": "12h"}}
}

// TestVerdictIsTheSameAtEveryZoom asks the plugin binary for random ranges, zooms and panel widths over real data and compares what
// it says about each sample with one answer over everything.
func TestVerdictIsTheSameAtEveryZoom(t *testing.T) {
	t.Parallel()
	sets := realData(t)
	srv := newServer(t, sets)
	d := start(t, srv.URL, `{}`)
	for seed, detector := range []string{"seasonal", "mad"} {
		t.Run(detector, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(seed), 7))
			grid := sets["latency"][0].Grid
			resp, err := d.query(context.Background(), nil, query(time.UnixMilli(grid.Start), time.UnixMilli(grid.End()), realQuery(detector)))
			if err := errors.Join(err, resp.Responses["A"].Error); err != nil {
				t.Fatal(err)
			}
			all := verdicts(t, resp.Responses["A"].Frames)
			anomalous := 0
			for _, s := range all {
				for _, v := range s {
					if v.anomaly == v.anomaly {
						anomalous++
					}
				}
			}
			if anomalous == 0 || len(all) != 3 {
				t.Fatalf("%d series, %d anomalous samples: the test would prove nothing", len(all), anomalous)
			}
			compared := 0
			for range 110 {
				span := int64(math.Exp(rng.Float64()*math.Log(float64(grid.End()-grid.Start)/60_000)) * 60_000) // a minute to all of it
				from := grid.Start + rng.Int64N(grid.End()-grid.Start-span+1)
				q := query(time.UnixMilli(from), time.UnixMilli(from+span), realQuery(detector))
				q.MaxDataPoints = 1 + rng.Int64N(5000)
				q.Interval = time.Duration(1 + rng.Int64N(int64(time.Hour)))
				resp, err := d.query(context.Background(), nil, q)
				if err := errors.Join(err, resp.Responses["A"].Error); err != nil {
					t.Fatal(err)
				}
				for key, part := range verdicts(t, resp.Responses["A"].Frames) {
					for at, v := range part {
						if !v.equal(all[key][at]) {
							t.Fatalf("%s at %s: %+v in the range of %d ms from %d, %+v in all", key, time.UnixMilli(at).UTC(), v, span, from, all[key][at])
						}
						compared++
					}
				}
			}
			t.Logf("%d verdicts compared, %d of %d anomalous", compared, anomalous, 3*grid.N)
			alertIsThePanel(t, d, detector, grid, all, rng)
		})
	}
}

// alertIsThePanel asks as Grafana's alerting does, at ticks off the grid, and holds the number against the panel's verdict.
func alertIsThePanel(t *testing.T, d *driver, detector string, grid series.Grid, all map[string]map[int64]verdict, rng *rand.Rand) {
	t.Helper()
	fields := realQuery(detector)
	fields["output"] = "latest"
	firing, compared := 0, 0
	for range 60 {
		tick := grid.Start + rng.Int64N(grid.End()-grid.Start)
		q := query(time.UnixMilli(tick-600_000), time.UnixMilli(tick), fields)
		q.MaxDataPoints, q.Interval = 43_200, time.Second
		resp, err := d.query(context.Background(), map[string]string{"FromAlert": "true", "http_X-Rule-Uid": "r"}, q)
		if err := errors.Join(err, resp.Responses["A"].Error); err != nil {
			t.Fatal(err)
		}
		frames := resp.Responses["A"].Frames
		if frames[0].Meta.Type != data.FrameTypeNumericMulti || frames[0].Meta.TypeVersion != (data.FrameTypeVersion{0, 1}) {
			t.Fatalf("frame type %q %v", frames[0].Meta.Type, frames[0].Meta.TypeVersion)
		}
		for _, f := range frames {
			if len(f.Fields) == 0 {
				continue
			}
			score, err := f.Fields[0].FloatAt(0)
			if err != nil {
				t.Fatal(err)
			}
			// The newest sample that is there; the rest are gaps.
			at := series.Floor(tick, grid.Step)
			v := all[f.Fields[0].Labels.String()][at]
			for range recent {
				if v.score == v.score {
					break
				}
				at -= grid.Step
				v = all[f.Fields[0].Labels.String()][at]
			}
			open := v.anomaly == v.anomaly
			want := min(v.score, below)
			if open {
				want, firing = max(v.score, 1), firing+1
			}
			if math.Abs(score-want) > 1e-9*max(1, want) || (score >= 1) != open {
				t.Fatalf("%s at %s: the alert has %g, the panel %+v", f.Name, time.UnixMilli(at).UTC(), score, v)
			}
			compared++
		}
	}
	t.Logf("alert-shaped: %d numbers compared, %d firing", compared, firing)
	if compared < 60 {
		t.Errorf("only %d numbers compared", compared)
	}
}

func TestBinaryConcurrentQueries(t *testing.T) {
	t.Parallel()
	sets := realData(t)
	srv := newServer(t, sets)
	d := start(t, srv.URL, `{}`)
	grid := sets["latency"][0].Grid
	good := query(time.UnixMilli(grid.At(grid.N-300)), time.UnixMilli(grid.End()), realQuery("mad"))
	macro := good
	macro.JSON = []byte(strings.Replace(string(mustJSON(realQuery("mad"))), `"nab"`, `"rate(nab[$__rate_interval])"`, 1))
	macro.JSON = []byte(strings.Replace(string(macro.JSON), `"step":"5m"`, `"step":"1m"`, 1))
	macro.RefID = "M"
	bad := good
	bad.RefID, bad.JSON = "B", []byte(`{"expr":"nab","detector":"sesonal"}`)
	refused := good
	refused.RefID, refused.JSON = "R", []byte(`{"expr":"no such","detector":"mad"}`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			resp, err := d.query(context.Background(), nil, good, bad, refused, macro)
			if err != nil {
				t.Error(err)
				return
			}
			if r := resp.Responses["A"]; r.Error != nil || len(verdicts(t, r.Frames)) != 3 {
				t.Errorf("good query: %v, %d frames", r.Error, len(r.Frames))
			}
			if r := resp.Responses["M"]; r.Error != nil || !strings.HasPrefix(r.Frames[0].Meta.ExecutedQueryString, "rate(nab[1m15s])\n") {
				t.Errorf("query with a macro: %v", r.Error)
			}
			if r := resp.Responses["B"]; r.Error == nil || r.Status != 400 || r.ErrorSource != backend.ErrorSourceDownstream ||
				!strings.HasPrefix(r.Error.Error(), `unknown detector "sesonal": want one of `) || !strings.Contains(r.Error.Error(), "mad, ") {
				t.Errorf("bad query: %v, status %d, source %s", r.Error, r.Status, r.ErrorSource)
			}
			if r := resp.Responses["R"]; r.Error == nil || r.Status != 400 || !strings.Contains(r.Error.Error(), "unknown expression") {
				t.Errorf("refused query: %v, status %d", r.Error, r.Status)
			}
		})
	}
	wg.Wait()
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

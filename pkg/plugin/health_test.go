package plugin

import (
	"context"
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/foreshock/foreshock/pkg/message"
)

func health(t *testing.T, d *Datasource) *backend.CheckHealthResult {
	t.Helper()
	r, err := d.CheckHealth(context.Background(), &backend.CheckHealthRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answering returns the address of a server that answers everything the same way.
func answering(t *testing.T, status int, kind, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// closed returns an address at which nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = log.New(io.Discard, "", 0)
	tlsServer.StartTLS()
	t.Cleanup(tlsServer.Close)
	jsonKind := "application/json"
	for _, tt := range []struct{ name, url, settings, want string }{
		{"no URL", "", `{}`, "the data source has no URL"},
		{"not a URL", "prometheus:9090", `{}`, "want http:// or https:// and a host"},
		{"bad option", "http://127.0.0.1:1", `{"maxSeries":0}`, `data source settings: parameter "maxSeries": got 0, want 1 to 10000`},
		{"bad type", "http://127.0.0.1:1", `{"settle":5}`, `data source settings: parameter "settle": got 5, want a duration`},
		{"bad zone", "http://127.0.0.1:1", `{"zone":"Mars"}`, `data source settings: parameter "zone": got "Mars"`},
		{"nobody listens", closed(t), `{}`, "cannot be reached: check the URL, that Prometheus is running"},
		{"unknown host", "http://no-such-host.invalid:9090", `{}`, "is not known: check its spelling"},
		{"http to a TLS port", strings.Replace(tlsServer.URL, "https", "http", 1), `{}`, "What answers at"},
		{"unknown authority", tlsServer.URL, `{}`, "TLS connection to " + tlsServer.URL + " failed: check http or https in the URL, the CA certificate"},
		{"TLS to an HTTP port", strings.Replace(answering(t, 200, jsonKind, "{}"), "http", "https", 1), `{}`, "failed: check http or https"},
		{"401", answering(t, 401, "text/html", "<title>Sign in</title>"), `{}`, "wants credentials, or refuses those that are set"},
		{"403", answering(t, 403, "text/plain", "no"), `{}`, "forbids the request"},
		{"a web page", answering(t, 200, "text/html", "<title>Grafana</title>"), `{}`, "is not the API of Prometheus: check the port and the path"},
		{"JSON of something else", answering(t, 200, jsonKind, `{"hello":"world"}`), `{}`, "is not the API of Prometheus"},
		{"nothing there", answering(t, 404, "text/plain", "404 page not found"), `{}`, "is not the API of Prometheus"},
		{"starting", answering(t, 503, "text/plain", "Service Unavailable"), `{}`, "is not available: it may be starting"},
		{"Chinese", closed(t), `{"lang":"zh-Hans"}`, "请检查 URL、Prometheus 是否在运行"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := health(t, instance(t, tt.url, tt.settings))
			if r.Status != backend.HealthStatusError || !strings.Contains(r.Message, tt.want) || strings.Contains(r.Message, "\n") {
				t.Errorf("%v %q\nwant %q", r.Status, r.Message, tt.want)
			}
		})
	}
}

func TestHealthOfAPrometheus(t *testing.T) {
	t.Parallel()
	srv := newServer(t, nil)
	srv.retention = "15d"
	r := health(t, instance(t, srv.URL, `{}`))
	want := "Connected to " + srv.URL + " · version 2.42.0 · series: 7 · scrape targets: 7 · keeps 15d of history"
	if r.Status != backend.HealthStatusOk || r.Message != want {
		t.Errorf("%v %q, want %q", r.Status, r.Message, want)
	}
	if got := string(r.JSONDetails); got != `{"retention":"15d","series":"7","targets":"7","version":"2.42.0"}` {
		t.Errorf("details %s", got)
	}
	srv.retention = "5d"
	r = health(t, instance(t, srv.URL, `{}`))
	if r.Status != backend.HealthStatusOk || !strings.Contains(r.Message, "keeps only 5d of history, which is too little to train on 7d") {
		t.Errorf("%v %q", r.Status, r.Message)
	}
}

func TestHealthClockAndEmptiness(t *testing.T) {
	t.Parallel()
	for shift, want := range map[time.Duration]string{
		2 * time.Minute: "is 2m", -time.Hour: "behind that of Grafana's server", 10 * time.Second: "has no series at all", 0: "has no series at all",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Date", time.Now().Add(shift).UTC().Format(http.TimeFormat))
			body := `{"status":"success","data":[]}`
			if strings.HasSuffix(r.URL.Path, "buildinfo") {
				body = `{"status":"success","data":{"version":"3.0.0"}}`
			}
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		if r := health(t, instance(t, s.URL, `{}`)); r.Status != backend.HealthStatusError || !strings.Contains(r.Message, want) {
			t.Errorf("clock off by %s: %v %q, want %q", shift, r.Status, r.Message, want)
		}
	}
}

// TestEveryCauseHasAText: the catalogue explains whatever can be wrong.
func TestEveryCauseHasAText(t *testing.T) {
	t.Parallel()
	for _, c := range []string{"dns", "tls", "unreachable", "auth", "forbidden", "not-prometheus", "timeout", "unavailable", "refused"} {
		if !message.Has("plugin.health." + c) {
			t.Errorf("no text for %q", c)
		}
	}
}

// TestSecretsStaySecret: whatever goes wrong, no credential is in what is answered.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	const password, token, inURL = "pass-hunter2", "token-hunter3", "url-hunter4"
	for name, url := range map[string]string{
		"closed": closed(t), "401": answering(t, 401, "text/html", "no"), "page": answering(t, 200, "text/html", "<title>x</title>"),
		"error": answering(t, 400, "application/json", `{"status":"error","errorType":"bad_data","error":"bad"}`), "unknown": "http://no-such-host.invalid", "broken": "ftp://x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url = strings.Replace(url, "://", "://user:"+inURL+"@", 1)
			i, err := NewDatasource(context.Background(), backend.DataSourceInstanceSettings{
				Type: "foreshock-anomaly-datasource", URL: url, BasicAuthEnabled: true, BasicAuthUser: "u", JSONData: []byte(`{"httpHeaderName1":"X-Token"}`),
				DecryptedSecureJSONData: map[string]string{"basicAuthPassword": password, "httpHeaderValue1": token},
			})
			if err != nil {
				t.Fatal(err)
			}
			d := i.(*Datasource)
			h := health(t, d)
			said := h.Message + string(h.JSONDetails)
			resp := ask(t, d, query(time.Now().Add(-time.Hour), time.Now(), map[string]any{"expr": "up"}))
			if resp.Error == nil {
				t.Fatal("the query did not fail")
			}
			said += resp.Error.Error()
			_, body := call(t, d, "GET", "labels")
			said += body
			basic := base64.StdEncoding.EncodeToString([]byte("u:" + password))
			for _, secret := range []string{password, token, inURL, basic} {
				if strings.Contains(said, secret) {
					t.Errorf("%q is in what was answered: %s", secret, said)
				}
			}
		})
	}
}

package alert_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/alert"
)

func decode(t *testing.T, body string) alert.Message {
	t.Helper()
	m, err := alert.Decode(strings.NewReader(body), alert.DefaultLimits())
	if err != nil {
		t.Fatalf("Decode(%.80q): %v", body, err)
	}
	return m
}

func file(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDecodeRecordedAlertmanager(t *testing.T) {
	t.Parallel()
	m := decode(t, file(t, "alertmanager-firing"))
	want := alert.Alert{
		Status: alert.Firing,
		Labels: alert.Labels{
			"__alert_rule_namespace_uid__": "eg4v91uwxiccgb", "__alert_rule_uid__": "main", "alertname": "main",
			"grafana_folder": "gv", "kind": "main", "notify": "yes", "service": "a",
		},
		Annotations: alert.Labels{
			"__dashboardUid__": "gv", "__orgId__": "1", "__panelId__": "1", "__values__": `{"A":5,"B":1}`, "summary": "score 5 on a",
			"__value_string__": "[ var='A' labels={service=a} value=5 ], [ var='B' labels={service=a} value=1 ]",
		},
		StartsAt:     time.Date(2026, 11, 20, 12, 2, 40, 0, time.UTC),
		GeneratorURL: "http://127.0.0.1:13100/alerting/grafana/main/view",
		Fingerprint:  "be544d9939f1c515",
	}
	if d := cmp.Diff([]alert.Alert{want}, m.Alerts); d != "" {
		t.Errorf("alerts (-want +got):\n%s", d)
	}
	if m.Source != alert.Alertmanager || m.Version != "4" || m.Receiver != "hook" || m.GroupKey != `{}:{alertname="main"}` {
		t.Errorf("message: %+v", m)
	}
	// Alertmanager computed the fingerprint from the labels: so do we.
	if got := want.Labels.Fingerprint(); got != want.Fingerprint {
		t.Errorf("Fingerprint of the labels = %s, Alertmanager says %s", got, want.Fingerprint)
	}
	if got, want := m.Alerts[0].Key("prod"), "prod/be544d9939f1c515/2026-11-20T12:02:40.000000Z/firing"; got != want {
		t.Errorf("Key = %s, want %s", got, want)
	}
}

func TestDecodeRecordedGrafana(t *testing.T) {
	t.Parallel()
	m := decode(t, file(t, "grafana-resolved"))
	a := m.Alerts[0]
	if m.Source != alert.Grafana || m.OrgID != 1 || m.State != "ok" || m.Title == "" || m.Message == "" {
		t.Errorf("message: %+v", m)
	}
	if a.Status != alert.Resolved || a.Fingerprint != "0da32a3dae5abddb" || !a.EndsAt.Equal(time.Date(2026, 11, 20, 11, 52, 40, 0, time.UTC)) {
		t.Errorf("alert: %+v", a)
	}
	if d := cmp.Diff(map[string]float64{"A": 0, "B": 0}, a.Values); d != "" {
		t.Error(d)
	}
	if a.PanelURL == "" || a.DashboardURL == "" || a.SilenceURL == "" || a.ValueString == "" {
		t.Errorf("Grafana's fields: %+v", a)
	}
	if n := len(decode(t, file(t, "alertmanager-group")).Alerts); n != 10 {
		t.Errorf("group has %d alerts", n)
	}
}

// What older senders and hand-written scripts send must be taken.
func TestDecodeLenient(t *testing.T) {
	t.Parallel()
	m := decode(t, "\xef\xbb\xbf"+` {"version":3,"groupKey":43434343434343434343,"status":"FIRING","unknown":{"deep":[1,{"x":null}]},
		"alerts":[{"labels":{"a":1,"b":true,"c":null,"d":{"x":[1, 2]},"e":"\u0000\ud800x\ud83d\ude00"},"annotations":null,
		"startsAt":"2018-03-07T06:33:21.873077559-05:00","endsAt":"","sendsAt":"","fingerprint":{"not":"usable"}},
		"no alert", {"labels":["no labels"],"status":"weird","startsAt":7}],"groupLabels":[],"commonLabels":null}`)
	want := alert.Labels{"a": "1", "b": "true", "c": "", "d": `{"x":[1,2]}`, "e": "\ufffd\ufffdx😀"}
	if d := cmp.Diff(want, m.Alerts[0].Labels); d != "" {
		t.Error(d)
	}
	if len(m.Alerts) != 2 || m.Version != "3" || m.GroupKey != "43434343434343434343" || m.Status != alert.Firing {
		t.Errorf("message: %+v", m)
	}
	a := m.Alerts[0]
	if a.Fingerprint != want.Fingerprint() || a.Status != "" || !a.EndsAt.IsZero() ||
		!a.StartsAt.Equal(time.Date(2018, 3, 7, 11, 33, 21, 873077000, time.UTC)) {
		t.Errorf("alert: %+v", a)
	}
	if b := m.Alerts[1]; b.Status != "" || !b.StartsAt.IsZero() || len(b.Labels) != 0 || b.Labels == nil || b.Annotations == nil {
		t.Errorf("empty alert: %+v", b)
	}
}

func TestDecodeNotJSON(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", " ", "null", "[]", `"x"`, "{", "{]", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":[1,]}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":1e}`,
		`{"a":tru}`, `{"a":"x}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, "{\"a\":\"\n\"}", `{"a":{"b":[}]}`, `{} {}`, `{}x`, `alerts=1`, "<html>", "{}\x00",
	} {
		if _, err := alert.Decode(strings.NewReader(body), alert.DefaultLimits()); !errors.Is(err, alert.ErrNotJSON) {
			t.Errorf("Decode(%q) = %v, want ErrNotJSON", body, err)
		}
	}
}

// A connection that breaks is not a sender that talks nonsense: the one is
// repeated, the other is dropped.
func TestDecodeReaderError(t *testing.T) {
	t.Parallel()
	body := file(t, "alertmanager-firing")
	for _, at := range []int{0, 1, 100, len(body) - 2, len(body)} {
		r := io.MultiReader(strings.NewReader(body[:at]), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := alert.Decode(r, alert.DefaultLimits()); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, alert.ErrNotJSON) {
			t.Errorf("broken at %d: %v", at, err)
		}
	}
}

// However the stream is cut into blocks, the message is the same.
func TestDecodeBlocks(t *testing.T) {
	t.Parallel()
	body := `{"alerts":[{"labels":{"é":"日本\ud83d\ude00語\\","b":"` + strings.Repeat("ü", 40000) + `"},"annotations":{"s":-1.5e+3}}]}`
	want := decode(t, body)
	got, err := alert.Decode(iotest.OneByteReader(strings.NewReader(body)), alert.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("one byte at a time (-whole +got):\n%s", d)
	}
}

func TestDecodeCuts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("日", 50)
	body := fmt.Sprintf(`{"message":%q,"alerts":[{"labels":{"long":%q},"annotations":{"d":%q,"short":"x"},"generatorURL":%q}]}`, long, long, long, long)
	m, err := alert.Decode(strings.NewReader(body), alert.Limits{Annotation: 100, Prose: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	a := m.Alerts[0]
	if a.Labels["long"] != long {
		t.Error("a label was cut")
	}
	if want := strings.Repeat("日", 33); a.Annotations["d"] != want || a.GeneratorURL != want || m.Message != want {
		t.Errorf("cut not at a character boundary: %d bytes", len(a.Annotations["d"]))
	}
	want := []alert.Cut{{Field: "annotations.d", Bytes: 150, Kept: 99}, {Field: "generatorURL", Bytes: 150, Kept: 99}}
	if d := cmp.Diff(want, a.Cut); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]alert.Cut{{Field: "message", Bytes: 150, Kept: 99}}, m.Cut); d != "" {
		t.Error(d)
	}
}

// big is a body that is made while it is read.
func big(head, piece string, n int, tail string) io.Reader {
	rs := []io.Reader{strings.NewReader(head)}
	block := strings.Repeat(piece, 1000)
	for range n / 1000 {
		rs = append(rs, strings.NewReader(block))
	}
	return io.MultiReader(append(rs, strings.NewReader(tail))...)
}

// allocated runs f and returns how many bytes it allocated in all, garbage
// included: more than what is ever alive at once.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Not parallel: it measures memory.
func TestDecodeHugeBodies(t *testing.T) {
	for name, body := range map[string]func() io.Reader{
		"64 MB annotation": func() io.Reader {
			return big(`{"alerts":[{"labels":{"a":"1"},"annotations":{"d":"`, strings.Repeat("x", 1000), 64000, `"}}]}`)
		},
		"16 MB unknown field": func() io.Reader {
			return big(`{"alerts":[{"labels":{"a":"1"}}],"x":[`, `{"k":[1,2,"abcdefghijklmnopqrst"]},`, 450000, `0]}`)
		},
		"300,000 small annotations": func() io.Reader {
			return big(`{"alerts":[{"labels":{"a":"1"},"annotations":{`, `"abcdefghijklmnopqrstuvwxyz":"`+strings.Repeat("y", 34)+`",`, 300000, `"z":""}}]}`)
		},
		"two million alerts without labels": func() io.Reader {
			return big(`{"alerts":[`, `{},`, 2000000, `{"labels":{"a":"1"}}]}`)
		},
		"8 MB of open brackets": func() io.Reader {
			return big(`{"alerts":[{"labels":{"a":"1"}}],"x":`, "[", 8000000, strings.Repeat("]", 8000000)+"}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := body() // made before, so that it does not count
			var m alert.Message
			total := allocated(func() {
				var err error
				if m, err = alert.Decode(r, alert.DefaultLimits()); err != nil {
					t.Error(err)
				}
			})
			if total > 48<<20 {
				t.Errorf("%d MB allocated", total>>20)
			}
			if n := len(m.Alerts); n == 0 || m.Alerts[n-1].Labels["a"] != "1" {
				t.Errorf("the alert was lost among %d", n)
			}
		})
	}
}

func TestDecodeDeep(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":[`, 5000) + "1" + strings.Repeat("]}", 5000)
	m := decode(t, `{"deep":`+deep+`,"alerts":[{"x":`+deep+`,"labels":{"a":"1","deep":`+deep+`},"annotations":{"d":`+deep+`}}]}`)
	if a := m.Alerts[0]; a.Labels["a"] != "1" || a.Labels["deep"] != deep || a.Annotations["d"] != deep {
		t.Error("lost among brackets")
	}
}

func TestDecodeTwentyThousandAlerts(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	b.WriteString(`{"version":"4","alerts":[`)
	summary := strings.Repeat("s", 3000)
	for i := range 20000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"status":"firing","labels":{"alertname":"a","i":"%d"},"annotations":{"summary":"%d %s"},"startsAt":"2026-11-20T12:00:00Z"}`, i, i, summary)
	}
	b.WriteString(`]}`)
	m := decode(t, b.String())
	if len(m.Alerts) != 20000 {
		t.Fatalf("%d alerts", len(m.Alerts))
	}
	seen := map[string]bool{}
	for i, a := range m.Alerts {
		if want := fmt.Sprint(i); a.Labels["i"] != want || !strings.HasPrefix(a.Annotations["summary"], want+" ") {
			t.Fatalf("alert %d: %v %.20s", i, a.Labels, a.Annotations["summary"])
		}
		if cut := len(a.Annotations["summary"]) < 3000; cut != (len(a.Cut) == 1) {
			t.Fatalf("alert %d: %d bytes, cut %v", i, len(a.Annotations["summary"]), a.Cut)
		}
		seen[a.Fingerprint] = true
	}
	if len(seen) != 20000 {
		t.Errorf("%d fingerprints", len(seen))
	}
}

func TestDecodeTooManyLabels(t *testing.T) {
	t.Parallel()
	r := big(`{"alerts":[{"labels":{"a":"`, strings.Repeat("x", 100), 100000, `"}}]}`)
	if _, err := alert.Decode(r, alert.Limits{Annotation: 10, Prose: 10, Memory: 1 << 20}); !errors.Is(err, alert.ErrTooBig) {
		t.Errorf("got %v, want ErrTooBig", err)
	}
}

// Whatever the bytes are: no panic; what encoding/json calls an object is taken,
// and nothing else is.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"alertmanager-firing", "alertmanager-resolved", "alertmanager-group", "grafana-firing", "grafana-resolved"} {
		f.Add([]byte(file(f, name)))
	}
	for _, s := range []string{`{}`, `{"alerts":[{"labels":{"a":"\ud83d\ude00\ud83d\u0041\u0000"}}]}`, "{\"a\":\"\xff\xc3\"}", `{"alerts":{"a":[1e5,-0.5,null]}}`, `{"alerts":[{},{"values":{"A":1e999}}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := alert.Decode(bytes.NewReader(body), alert.Limits{Annotation: 20, Prose: 200})
		trimmed := bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), " \t\r\n")
		object := json.Valid(trimmed) && trimmed[0] == '{'
		if object != (err == nil) && bytes.Count(body, []byte("[")) < 5000 && bytes.Count(body, []byte("{")) < 5000 {
			t.Fatalf("encoding/json says object: %v, Decode says %v", object, err)
		}
		if err != nil {
			return
		}
		again, err := alert.Decode(iotest.HalfReader(bytes.NewReader(body)), alert.Limits{Annotation: 20, Prose: 200})
		if d := cmp.Diff(m, again); err != nil || d != "" {
			t.Fatalf("decoded twice: %v\n%s", err, d)
		}
		for _, a := range m.Alerts {
			if a.Fingerprint == "" || a.Labels == nil || a.Annotations == nil {
				t.Fatalf("incomplete: %+v", a)
			}
			back, err := json.Marshal(a)
			var b alert.Alert
			if err != nil || json.Unmarshal(back, &b) != nil {
				t.Fatalf("does not survive JSON: %v %s", err, back)
			}
		}
	})
}

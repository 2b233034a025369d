package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
)

const minimal = "channels: {log: {type: log}}\n"

func TestDefaults(t *testing.T) {
	t.Parallel()
	f, err := Parse([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]policy.Route{{Name: "default", Channels: []string{"log"}}}, f.Routes, cmp.AllowUnexported(policy.Matcher{})); d != "" {
		t.Error(d)
	}
	if f.Web.Listen[0] != ":9099" || f.Retry != policy.DefaultRetry() || time.Duration(f.CloseAfter) != 24*time.Hour || f.Language != "en" {
		t.Errorf("got %+v", f)
	}
	u, err := f.StoreURL()
	if err != nil || !strings.HasPrefix(u.Reveal(), "sqlite:///") || !strings.HasSuffix(u.Reveal(), "/foreshock-webhook.db") {
		t.Errorf("the store is %q, %v", u.Reveal(), err)
	}
}

func TestEverything(t *testing.T) {
	t.Parallel()
	f, err := Parse([]byte(`
external_url: https://foreshock.example.com/
language: zh-Hans
cluster: eu
web: {listen: ["127.0.0.1:1", ":2"], config_file: web.yml}
store: {postgres_url: "postgres://u:p@h/db"}
alertmanagers:
  eu: [http://am-0:9093, http://am-1:9093]
grafana: {hmac_secret: s3cr3t, timestamp_header: X-Ts, max_age: 1m}
limits: {annotation: 1024, prose: 65536, raw: 0, body: 1048576}
retention: {bodies: 1d, deliveries: 2d, cases: 0}
channels:
  0123: {type: log, level: warn}
  ops: &ops {type: webhook, url: "http://127.0.0.1:1/x", lang: zh-Hans}
  more: *ops
grades:
  - match: [team="db", severity=~"warn.*"]
    grade: P1
routes:
  - {name: pages, match: ['severity="critical"'], grades: [P0, p1], channels: [ops], continue: true}
  - {name: rest, channels: ["0123"]}
retry: {base: 2s, max: 1m, max_attempts: 5, max_age: 1h}
close_after: 1h30m
`))
	if err != nil {
		t.Fatal(err)
	}
	if f.Retry != (policy.Retry{Base: policy.Duration(2 * time.Second), Max: policy.Duration(time.Minute), MaxAttempts: 5, MaxAge: policy.Duration(time.Hour)}) {
		t.Errorf("retry is %+v", f.Retry)
	}
	if len(f.Grades) != 1 || f.Grades[0].Grade != policy.P1 || len(f.Grades[0].Match) != 2 || f.Grades[0].Match[1].String() != `severity=~"warn.*"` {
		t.Errorf("grades are %+v", f.Grades)
	}
	if r := f.Routes[0]; r.Grades[1] != policy.P1 || !r.Continue || r.Channels[0] != "ops" {
		t.Errorf("routes are %+v", f.Routes)
	}
	if d := cmp.Diff(Retention{days(1), days(2), 0}, f.Retention); d != "" {
		t.Error(d)
	}
	channels, err := f.Open(notify.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if l := channels["0123"].(*notify.Log); l.Level != "warn" {
		t.Errorf("the log channel is %+v", l)
	}
	if w := channels["more"].(*notify.Webhook); w.URL.Reveal() != "http://127.0.0.1:1/x" || w.Lang != "zh-Hans" {
		t.Errorf("the webhook channel is %+v", w)
	}
	if text := fmt.Sprintf("%+v %v", f, f.Grafana); strings.Contains(text, "s3cr3t") || strings.Contains(text, "u:p@h") {
		t.Errorf("printing the configuration shows a secret: %s", text)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	channels := "one of " + strings.Join(notify.Channels.Names(), ", ")
	for _, tt := range []struct{ text, want string }{
		{"", "channels: is empty: want at least one channel, such as log: {type: log}"},
		{"channels: [", "line 1: this is not YAML: did not find expected node content"},
		{"- a", "line 1: got a list, want a mapping of names to values"},
		{minimal + "chanels: {}", `line 2: unknown field "chanels": want one of external_url, language, cluster, web, store, `},
		{minimal + "web: {listn: []}", `line 2: web: unknown field "listn": want one of listen, config_file`},
		{minimal + "web: {listen: [9099]}", `line 2: web.listen[0]: got "9099", want host:port or :port`},
		{minimal + "web: {listen: []}", `line 2: web.listen: is empty: want at least one address, such as ":9099"`},
		{minimal + "web: []", "line 2: web: got a list, want a mapping of names to values"},
		{minimal + "cluster: a\ncluster: b", "line 3: cluster: is written twice: want it once (the first is on line 2)"},
		{minimal + "language: de", `line 2: language: got "de", want one of en, zh-Hans`},
		{minimal + "cluster: a/b", `line 2: cluster: got "a/b", want 1 to 64 letters, digits, '-', '_' or '.'`},
		{minimal + "external_url: here", `line 2: external_url: got "here", want an address like https://foreshock.example.com`},
		{minimal + "alertmanagers: {eu: [am:9093]}", "line 2: alertmanagers.eu[0]: want an address like http://alertmanager:9093"},
		{minimal + "alertmanagers: {eu: http://am}", `line 2: alertmanagers.eu: got text, want a list`},
		{minimal + "limits:\n  raw: 1 MB", `line 3: limits.raw: got "1 MB", want a whole number`},
		{minimal + "limits:\n  raw: -1", "line 3: limits.raw: got -1, want 0 to 67108864 bytes"},
		{minimal + "retention: {cases: 5}", `line 2: retention.cases: want a duration like 90s, 5m, 12h or 7d, got "5"`},
		{minimal + "store: {sqlite: a, postgres_url_file: b}", "line 2: store: more than one of sqlite, postgres_url and postgres_url_file is set: want one"},
		{minimal + "store: {postgres_url: s3cr3t}", "line 2: store.postgres_url: want an address like postgres://user:password@host:5432/database"},
		{minimal + "store: {postgres_url: [s3cr3t]}", "line 2: store.postgres_url: got a list, want text"},
		{minimal + "grafana: {hmac_secret: a, hmac_secret_file: b}", "line 2: grafana: both hmac_secret and hmac_secret_file are set: want one"},
		{minimal + "grades: [{match: [a], grade: P1}]", `line 2: grades[0].match[0]: matcher "a": no operator; want name="value", name!="value", name=~"regexp" or name!~"regexp"`},
		{minimal + "grades: [{match: [a=b], grade: P9}]", `line 2: grades[0].grade: grade "P9": want one of P0, P1, P2, P3`},
		{minimal + "grades: [{grade: P1}]", "line 2: grades[0].match: is empty: want at least one matcher, or leave the rule out"},
		{minimal + "routes:\n- name: x\n  channels: [ops]", `line 4: routes[0].channels: unknown channel "ops": want one of log`},
		{minimal + "routes:\n- {name: x, continue: maybe, channels: [log]}", `line 3: routes[0].continue: got "maybe", want true or false`},
		{minimal + "retry: {max: 1ms}", `line 2: retry.max: "1ms": want at least retry.base (1s)`},
		{"channels: {a b: {type: log}}", `line 1: channels: channel name "a b": want 1 to 64 letters, digits, '-', '_' or '.', and not internal`},
		{"channels: {internal: {type: log}}", `line 1: channels: channel name "internal": want 1 to 64 letters, digits, '-', '_' or '.', and not internal`},
		{"channels: {x: {}}", "line 1: channels.x.type: is missing: want " + channels},
		{"channels: {x: {type: pigeon}}", `line 1: channels.x.type: got "pigeon", want ` + channels},
		{"channels: {x: log}", `line 1: channels.x: got text, want a mapping of names to values`},
		{"channels: {x: {type: slack, token: [s3cr3t]}}", "line 1: channels.x.token: got a list, want text"},
		{"channels: {x: &x {type: log, y: *x}}", "cannot be read"},
	} {
		_, err := Parse([]byte(tt.text))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) && !strings.Contains(err.Error(), "channels.x.y: "+tt.want) {
			t.Errorf("%q:\ngot  %v\nwant %s", tt.text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte("webb: {}\nlanguage: []\nchannels: {x: {type: pigeon}}\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want three sentences, got: %v", err)
	}
}

// A secret in the wrong place is not shown: errors go to logs and to whoever asks for a reload.
func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		minimal + "store: postgres://fs:s3cr3t@db/x",
		minimal + "store: {postgres://fs:s3cr3t@db/x: 1}",
		minimal + "store: {'postgres://fs:s3cr3t@db/x': 1, 'postgres://fs:s3cr3t@db/x': 2}",
		minimal + "store: {postgres_url: {a: s3cr3t}}",
		minimal + "store: {postgres_url: *s3cr3t}",
		minimal + "alertmanagers: http://a:s3cr3t@am",
		minimal + "alertmanagers: {eu: 'http://a:s3cr3t@am'}",
		minimal + "alertmanagers: {eu: ['am://a:s3cr3t@am']}",
		minimal + "external_url: a:s3cr3t@host",
		minimal + "alertmanagers: {'http://a:s3cr3t@am': x}",
		minimal + "grafana: s3cr3t",
		minimal + "limits: {raw: 'https://a:s3cr3t@x'}",
		"channels: {ops: https://hooks.slack.com/services/s3cr3t}",
		"channels: {'https://hooks.slack.com/services/s3cr3t': {type: slack}}",
		"channels: {ops: {type: 'https://hooks.slack.com/services/s3cr3t'}}",
		"channels: https://hooks.slack.com/services/s3cr3t",
	} {
		if _, err := Parse([]byte(text)); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s:\n%v", text, err)
		}
	}
}

// An alias bomb ends with one sentence, quickly.
func TestAliasBomb(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("channels: {log: {type: log}}\nalertmanagers:\n  a0: &a0 [a, b, c, d, e, f, g, h, i, j]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	for _, text := range []string{b.String(), "routes: &r [*r]", "grades: &r [{match: *r}]"} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%.60q is taken", text)
		}
	}
}

// A channel without credentials fails when it is opened, with its line, and not at the first page.
func TestOpenWithoutCredentials(t *testing.T) {
	t.Parallel()
	f, err := Parse([]byte("channels:\n  log: {type: log}\n  ops:\n    type: slack\n  hook: {type: webhook, url: s3cr3t}\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Open(notify.Env{})
	want := `line 5: channels.hook: channel webhook: parameter "url": want an address like https://host/path` + "\n" +
		`line 3: channels.ops: channel slack: credentials are missing: want "webhook_url" or "webhook_url_file" (incoming webhook), or "token" or "token_file" (bot) with "channel"`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("pg", "postgres://u:p@h/db\n")
	write("url", "http://127.0.0.1:1/s3cr3t\n")
	write("hmac", "k3y\n")
	f, err := Load(write("good.yml", "\ufeffstore: {postgres_url_file: pg}\ngrafana: {hmac_secret_file: hmac}\nchannels: {x: {type: webhook, url_file: url}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if u, err := f.StoreURL(); err != nil || u.Reveal() != "postgres://u:p@h/db" {
		t.Errorf("the store is %q, %v", u.Reveal(), err)
	}
	if s, err := f.GrafanaSecret(); err != nil || s.Reveal() != "k3y" {
		t.Errorf("Grafana's secret is %q, %v", s.Reveal(), err)
	}
	channels, err := f.Open(notify.Env{})
	if err != nil || channels["x"].(*notify.Webhook).URL.Reveal() != "http://127.0.0.1:1/s3cr3t" {
		t.Errorf("got %+v, %v", channels, err)
	}
	if _, err := Load(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestExampleIsGood(t *testing.T) {
	t.Parallel()
	f, err := Load("../testdata/foreshock-webhook.yml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(notify.Env{}); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("routes: &r [*r]"))
	f.Add([]byte("channels: {x: {type: slack, token: [a]}}"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = Parse(text)
	})
}

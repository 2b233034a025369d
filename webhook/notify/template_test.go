package notify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// A template as users of Alertmanager have them.
const usersTemplate = `
{{ define "my.title" }}[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] {{ .GroupLabels.SortedPairs.Values | join " " }}{{ end }}
{{ define "my.text" }}{{ range .Alerts }}*{{ .Labels.alertname }}* on {{ .Labels.service | title }}: {{ .Annotations.summary }}
{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}
{{ end }}{{ end }}{{ with .CommonAnnotations.runbook_url }}{{ . }}{{ end }} {{ reReplaceAll "a(.)" "$1" "ab" }} {{ (index .Alerts 0).StartsAt | tz "Asia/Shanghai" | date "15:04" }}{{ end }}
`

func templates(t *testing.T, text string) *Templates {
	t.Helper()
	file := filepath.Join(t.TempDir(), "my.tmpl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ts, err := LoadTemplates([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

func TestTemplatesOfAlertmanager(t *testing.T) {
	t.Parallel()
	f := newFakeSlack(t)
	settings := hook(f)
	settings["title"], settings["text"] = `{{ template "my.title" . }}`, `{{ template "my.text" . }}`
	c, err := Open("slack", registry.FromMap(settings), Env{Templates: templates(t, usersTemplate)})
	if err != nil {
		t.Fatal(err)
	}
	m := sample(func(m *cases.Message) { m.Notice.Alerts[0].Annotations["summary"] = "<!channel> & more" })
	if o := c.Send(t.Context(), m); o.Status != StatusSent {
		t.Fatalf("got %+v", o)
	}
	p := f.posts[0]
	if p.Texts[0].Text != "[FIRING:1] HighLatency" {
		t.Errorf("the title is %q", p.Texts[0].Text)
	}
	want := "*HighLatency* on Checkout: &lt;!channel&gt; &amp; more\n - alertname = HighLatency\n - service = checkout\n - severity = error\nhttps://wiki.example.com/latency?team=a&amp;x=1 b 19:50"
	if p.Texts[1].Text != want {
		t.Errorf("got  %q\nwant %q", p.Texts[1].Text, want)
	}
}

// A template that knows nothing of merged cases says of one that it is over, since nothing more comes by its name; .What and the case say where it goes on.
func TestTemplatesOfAMergedCase(t *testing.T) {
	t.Parallel()
	for what, want := range map[cases.What]string{
		cases.WhatOpened: "firing/opened ", cases.WhatDigest: "firing/digest ", cases.WhatMerged: "resolved/merged 01OTHER", cases.WhatResolved: "resolved/resolved ",
	} {
		tmpl, err := templates(t, "").compile(`{{ .Status }}/{{ .NotificationReason }} {{ .Case.MergedInto }}`, telegramText)
		if err != nil {
			t.Fatal(err)
		}
		n := cases.Notice{What: what}
		if what == cases.WhatMerged {
			n.Case.State, n.Case.MergedInto = cases.Closed, "01OTHER"
		}
		c := Common{}
		if got, err := run(tmpl, c.data(cases.Message{Notice: n})); err != nil || got != want {
			t.Errorf("%s makes %q, %v, want %q", what, got, err, want)
		}
	}
}

// Whatever functions a label went through, what is printed is escaped; a template's own words are not.
func TestTemplatesEscape(t *testing.T) {
	t.Parallel()
	evil := "<!channel>\u202e"
	for _, text := range []string{
		`<b>{{ .CommonLabels.x }}`, `<b>{{ range .Alerts }}{{ .Labels.x | toUpper | toLower }}{{ end }}`, `<b>{{ $x := .CommonLabels.x }}{{ $x }}`,
		`<b>{{ .CommonLabels.x | safeHtml }}`, `<b>{{ printf "%s" .CommonLabels.x }}`, `<b>{{ define "q" }}{{ .CommonLabels.x }}{{ end }}{{ template "q" . }}`,
		`<b>{{ if .CommonLabels.x }}{{ .CommonLabels.x }}{{ else }}{{ end }}`, `<b>{{ with .CommonLabels }}{{ .x }}{{ end }}`, `<b>{{ block "z" . }}{{ .CommonLabels.x }}{{ end }}`,
		`<b>{{ .CommonLabels }}`, `<b>{{ .CommonLabels.Values.Join "," }}`, `<b>{{ join "" (stringSlice .CommonLabels.x) }}`, `<b>{{ toJson .CommonLabels.x }}`,
	} {
		tmpl, err := templates(t, "").compile(text, telegramText)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		c := Common{}
		got, err := run(tmpl, c.data(cases.Message{Notice: cases.Notice{Alerts: []alert.Alert{{Labels: alert.Labels{"x": evil}}}}}))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if !strings.HasPrefix(got, "<b>") || strings.Contains(got[3:], "<") || strings.Contains(got, "\u202e") || len(got) < 10 {
			t.Errorf("%s makes %q", text, got)
		}
	}
}

func TestTemplatesMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{{ .Nope": "unclosed action", `{{ template "none" . }}`: `"none"`, "{{ nofunc }}": "nofunc",
	} {
		_, err := Open("log", registry.FromMap(map[string]any{"text": text}), Env{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `parameter "text"`) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := LoadTemplates([]string{"/nowhere/*.tmpl"}); err == nil {
		t.Error("a pattern that matches nothing is taken")
	}
}

// The webhook's own body: data are escaped for JSON, toJson is JSON, and what is no JSON is refused rather than sent.
func TestWebhookTemplate(t *testing.T) {
	t.Parallel()
	w := &Webhook{Common: common()}
	for text, want := range map[string]string{
		`{"t": "{{ .Title }}", "l": {{ toJson .CommonLabels }}}`: `{"t": "a \"b\" \u003c", "l": {"alertname":"HighLatency"`,
		`{"t": {{ .Title }}}`: "",
	} {
		w.Text, w.URL = text, "https://x.example"
		if err := w.Open(Env{}); err != nil {
			t.Fatal(err)
		}
		got, err := w.body(sample(func(m *cases.Message) { m.Notice.Case.Title = `a "b" <` }))
		switch {
		case want == "" && err == nil:
			t.Errorf("%s is taken: %s", text, got)
		case want != "" && (err != nil || !strings.HasPrefix(string(got), want) || !json.Valid(got)):
			t.Errorf("%s makes %s, %v", text, got, err)
		}
	}
}

// What is too long is cut at a whole tag, and the message still arrives.
func TestTemplatesCut(t *testing.T) {
	t.Parallel()
	for _, r := range robots {
		f := newFakeRobot(t, r.rules)
		text := `{{ range .Alerts }}{{ range .Labels.SortedPairs }}<b>{{ .Value }}</b> [{{ .Name }}](https://x.example/{{ .Name }})
{{ end }}{{ end }}`
		if r.kind != "telegram" {
			text = strings.NewReplacer("<b>", "**", "</b>", "**").Replace(text)
		}
		if o := r.open(t, f, map[string]any{"text": text}).Send(t.Context(), sample(huge("x"))); o.Status != StatusSent {
			t.Errorf("%s: %+v", r.kind, o)
		}
	}
}

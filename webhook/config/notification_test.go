package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Without routes, every grade reaches somebody.
func TestDefaultRoutes(t *testing.T) {
	t.Parallel()
	for kinds, want := range map[string]string{
		"log":                             "P0:log P1:log P2:log P3:log",
		"slack":                           "P0:slack P1:slack P2:slack P3:slack",
		"pagerduty slack dingtalk wecom":  "P0:pagerduty,slack,dingtalk P1:slack,wecom P2:wecom P3:wecom",
		"dingtalk wecom":                  "P0:dingtalk P1:wecom P2:wecom P3:wecom",
		"pagerduty email":                 "P0:pagerduty,email P1:email P2:email P3:email",
		"pagerduty":                       "P0:pagerduty P1:pagerduty P2:pagerduty P3:pagerduty",
		"email webhook":                   "P0:email,webhook P1:email,webhook P2:email,webhook P3:email,webhook",
		"pagerduty slack feishu telegram": "P0:pagerduty,slack,feishu,telegram P1:slack,feishu,telegram P2:feishu,telegram P3:feishu,telegram",
	} {
		c := Channels{}
		for k := range strings.FieldsSeq(kinds) {
			c[k] = Channel{Type: k}
		}
		r := policy.DefaultRules()
		r.Routes = c.routes()
		if err := r.Validate(c.Names()); err != nil {
			t.Errorf("%s: %v", kinds, err)
		}
		var got []string
		for _, g := range policy.Grades() {
			to, _ := r.Channels(g, alert.Labels{})
			got = append(got, fmt.Sprintf("%s:%s", g, strings.Join(to, ",")))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s:\ngot  %s\nwant %s", kinds, s, want)
		}
	}
}

func TestNotificationMistakes(t *testing.T) {
	t.Parallel()
	const head = "channels: {log: {type: log}}\n"
	for text, want := range map[string]string{
		"fallback: {after: {p0: -1s}}":                                        "fallback.after.p0",
		"fallback: {order: {p1: [pager]}}":                                    `fallback.order.p1[0]: unknown channel "pager": want one of log`,
		"interactions: {slack: {secret: s3cr3t, secret_file: x}}":             "interactions.slack: both secret and secret_file are set: want one",
		"interactions: {slack: {old_secret: s3cr3t}}":                         "interactions.slack.secret: is empty, and there is an old one",
		"interactions: {links: {key: s3cr3t}}":                                "interactions.links.key: is shorter than 16 characters",
		"interactions: {links: {valid: 1s}}":                                  "interactions.links.valid: got 1s, want 1m to 30d",
		"interactions: {links: {key: s3cr3ts3cr3ts3cr3ts3cr3t, key_file: x}}": "interactions.links: both key and key_file are set: want one",
	} {
		_, err := Parse([]byte(head + text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want … %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

// Paths are relative to the configuration; templates and secrets are read when the channels are opened.
func TestNotificationFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.tmpl", `{{ define "my.title" }}x{{ end }}`)
	write("slack-secret", "new\n")
	write("old-secret", "old\n")
	write("w.yml", `channels: {log: {type: log, title: '{{ template "my.title" . }}'}}
templates: ['*.tmpl']
interactions: {slack: {secret_file: slack-secret, old_secret_file: old-secret}}
`)
	f, err := Load(filepath.Join(dir, "w.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(notify.Env{}); err != nil {
		t.Fatal(err)
	}
	keys, err := f.Interactions.Slack.Keys()
	if err != nil || len(keys) != 2 || string(keys[0]) != "new" || string(keys[1]) != "old" {
		t.Errorf("got %q, %v", keys, err)
	}
	write("w.yml", "channels: {log: {type: log, title: '{{ template \"none\" . }}'}}\n")
	if f, err = Load(filepath.Join(dir, "w.yml")); err == nil {
		_, err = f.Open(notify.Env{})
	}
	if err == nil || !strings.Contains(err.Error(), "channels.log") {
		t.Errorf("a template that does not exist: %v", err)
	}
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const previewConfig = `external_url: http://foreshock.example.com
templates: ['*.tmpl']
channels:
  ding: {type: dingtalk, webhook_url: 'https://oapi.dingtalk.com/robot/send?access_token=s3cr3t-1', secret: s3cr3t-2}
  wecom: {type: wecom, webhook_url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=s3cr3t-3'}
  feishu: {type: feishu, webhook_url: 'https://open.feishu.cn/open-apis/bot/v2/hook/s3cr3t-4', secret: s3cr3t-5}
  slack: {type: slack, token: xoxb-s3cr3t-6, channel: C1, title: '{{ template "my.title" . }}'}
  telegram: {type: telegram, token: '123456:s3cr3t-7-aaaaaaaaaaaaaaaaaaa', chat_id: '-100'}
  pd: {type: pagerduty, routing_key: 5ec2e7a0000000000000000000000008}
  mail: {type: email, smarthost: 'mail.example.com:587', from: a@example.com, to: [b@example.com], username: u, password: s3cr3t-9}
  hook: {type: webhook, url: 'https://hook.example.com/s3cr3t-10', secret: s3cr3t-11, bearer: s3cr3t-12}
`

// What a channel would be sent is shown, nothing is sent, and no secret is shown.
func TestTemplateRender(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "w.yml")
	for name, text := range map[string]string{"w.yml": previewConfig, "a.tmpl": `{{ define "my.title" }}Mine: {{ .CommonLabels.alertname }}{{ end }}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for channel, want := range map[string]string{
		"ding": `"msgtype": "markdown"`, "wecom": `"content": "### `, "feishu": `"msg_type": "interactive"`, "slack": "Mine: main", "telegram": `"parse_mode": "HTML"`,
		"pd": `"event_action": "trigger"`, "mail": "Auto-Submitted: auto-generated", "hook": `"what": "opened"`,
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), []string{"template", "render", "--config.file", file, "--channel", channel, "--file", "alert/testdata/alertmanager-firing.json", "--lang", "en"}, &out, &errs)
		if code != exitOK || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %d %s\n%s", channel, code, errs.String(), out.String())
		}
		if text := out.String() + errs.String(); strings.Contains(text, "s3cr3t") || strings.Contains(text, "5ec2e7a") {
			t.Errorf("%s: a secret is shown:\n%s", channel, text)
		}
	}
	for _, args := range [][]string{
		{"template", "render", "--config.file", file, "--channel", "none", "--file", "alert/testdata/alertmanager-firing.json"},
		{"template", "render", "--config.file", file, "--channel", "ding", "--file", file},
		{"template", "render", "--config.file", file, "--channel", "ding", "--file", "nowhere"},
		{"test-channel", "--config.file", file, "none"},
	} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), args, &out, &errs); code != exitUsage || errs.Len() == 0 {
			t.Errorf("%v: %d %s", args, code, errs.String())
		}
	}
}

func TestTestChannel(t *testing.T) {
	t.Parallel()
	var got []string
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Idempotency-Key"))
		w.WriteHeader(status)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "w.yml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf("channels: {hook: {type: webhook, url: %q}}\n", s.URL+"/s3cr3t")), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"test-channel", "--config.file", file, "hook"}, &out, &errs); code != exitOK || len(got) != 2 {
		t.Errorf("%d: %s%s, %v", code, out.String(), errs.String(), got)
	}
	status = http.StatusNotFound
	if code := run(t.Context(), []string{"test-channel", "--config.file", file, "hook"}, &out, &errs); code != exitError || !strings.Contains(out.String(), "hook, opened: permanent: 404 Not Found") || strings.Contains(out.String(), "s3cr3t") {
		t.Errorf("%d: %s", code, out.String())
	}
}

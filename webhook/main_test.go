package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	two := write("two.yml", "lang: en\nchannels: {x: {type: pigeon}}\n")
	slack := write("slack.yml", "channels: {x: {type: slack}}\n")
	good := write("good.yml", logConfig)
	pg := write("pg.yml", "store: {postgres_url_file: none}\nchannels: {x: {type: log}}\n")
	for _, tt := range []struct {
		args           []string
		code           int
		stdout, stderr string
		lines          int
	}{
		{args: []string{"check", "testdata/foreshock-webhook.yml"}, code: 0, stdout: "testdata/foreshock-webhook.yml: good: 1 channels, 2 routes, 1 grade rules\n"},
		{args: []string{"check", two}, code: 2, stderr: two + `: line 1: unknown field "lang": want one of external_url, language`, lines: 2},
		{args: []string{"check", slack}, code: 2, stderr: slack + ": line 1: channels.x: channel slack: credentials are missing", lines: 1},
		{args: []string{"check", pg}, code: 2, stderr: pg + ": store.postgres_url_file: open " + filepath.Join(dir, "none"), lines: 1},
		{args: []string{"check", filepath.Join(dir, "none.yml")}, code: 2, stderr: filepath.Join(dir, "none.yml") + ": read the configuration: open", lines: 1},
		{args: []string{"check"}, code: 2, stderr: "foreshock-webhook: required argument 'config' not provided; try --help", lines: 1},
		{args: []string{"--nonsense"}, code: 2, stderr: "foreshock-webhook: unknown long flag '--nonsense'; try --help", lines: 1},
		{args: []string{"--config.file=" + slack, "--web.listen-address=127.0.0.1:0"}, code: 2, stderr: "foreshock-webhook: line 1: channels.x: channel slack: credentials are missing", lines: 1},
		{args: []string{"migrate", "--config.file=" + good}, code: 2, stderr: "foreshock-webhook: want one of --to and --to-file", lines: 1},
		{args: []string{"migrate", "--config.file=" + good, "--to=mysql://u:secret@x"}, code: 1, stderr: "foreshock-webhook: nothing was moved: the target: store URL: unknown kind", lines: 1},
		{args: []string{"migrate", "--config.file=" + good, "--to=sqlite://" + filepath.Join(t.TempDir(), "other.db")}, code: 0, stdout: "table "},
		{args: []string{"--help"}, code: 0, stdout: "usage: foreshock-webhook"},
		{args: []string{"--version"}, code: 0},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), tt.args, &stdout, &stderr)
		if code != tt.code || !strings.HasPrefix(stdout.String(), tt.stdout) || !strings.HasPrefix(stderr.String(), tt.stderr) || (tt.lines > 0 && strings.Count(stderr.String(), "\n") != tt.lines) {
			t.Errorf("%v: %d\n%s\n%s\nwant %d\n%s\n%s", tt.args, code, &stdout, &stderr, tt.code, tt.stdout, tt.stderr)
		}
	}
}

// SIGHUP reloads, and SIGTERM ends the program with 0 after what is in flight.
func TestSignals(t *testing.T) {
	t.Parallel()
	addr, config := freePort(t), writeConfig(t, logConfig)
	p := launch(t, addr, config)
	if err := os.WriteFile(config, []byte("channels: {x: {type: slack}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, text := get(t, "http://"+addr+"/metrics"); strings.Contains(text, "foreshock_config_last_reload_successful 0") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("SIGHUP did not read the configuration again")
		}
	}
	if code, _ := get(t, "http://"+addr+"/-/ready"); code != http.StatusOK {
		t.Errorf("a broken configuration made it unready: %d", code)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("SIGTERM did not end the program")
	}
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d: %s", code, p.log)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b.String()
}

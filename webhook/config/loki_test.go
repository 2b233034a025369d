package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every mistake in the section loki is one sentence without secrets.
func TestLokiSection(t *testing.T) {
	t.Parallel()
	for section, want := range map[string]string{
		"loki: {user: ann}":                                                    "loki.url: is missing",
		"loki: {url: 'loki:3100'}":                                             "loki.url: want an address like http://loki:3100",
		"loki: {url: 'http://ann:s3cr3t@loki'}":                                "loki.url: holds a user",
		"loki: {url: 'http://l', user: ann}":                                   "loki.password: is missing",
		"loki: {url: 'http://l', password: s3cr3t}":                            "loki.user: is missing",
		"loki: {url: 'http://l', user: a, password: s3cr3t, password_file: x}": "both password and password_file",
		"loki: {url: 'http://l', token: s3cr3t, token_file: x}":                "both token and token_file",
		"loki: {url: 'http://l', user: a, password: b, token: s3cr3t}":         "both a user with password and a token",
		"loki: {url: 'http://l', tenant: 'a b'}":                               "loki.tenant: got",
		"loki: {url: 'http://l', tenants: a}":                                  `unknown field "tenants"`,
		"loki: s3cr3t":                                                         "loki",
		"noise: {regrade: [{name: a, raise: 1, logql: {expr: '1'}}]}":          "noise.regrade[0].logql: there is nobody to ask: want loki.url",
	} {
		_, err := Parse([]byte(minimal + section))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %q", section, err, want)
		}
	}
	if _, err := Parse([]byte(minimal + "loki: {url: 'http://l'}\nnoise: {regrade: [{name: a, raise: 1, logql: {expr: '1'}}]}")); err != nil {
		t.Error(err)
	}
}

// Secret files are relative to the configuration and read when they are needed.
func TestLokiSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("secret", "s3cr3t\n")
	write("two", "s3cr3t\nmore\n")
	for section, want := range map[string]struct{ password, token, err string }{
		"{url: 'http://l', user: a, password_file: secret}": {password: "s3cr3t"},
		"{url: 'http://l', token_file: secret}":             {token: "s3cr3t"},
		"{url: 'http://l', user: a, password: b}":           {password: "b"},
		"{url: 'http://l', user: a, password_file: none}":   {err: "loki.password_file: "},
		"{url: 'http://l', token_file: none}":               {err: "loki.token_file: "},
		"{url: 'http://l', token_file: two}":                {err: "loki.token: want one word"},
	} {
		f, err := Load(write("c.yml", minimal+"loki: "+section))
		if err != nil {
			t.Fatal(err)
		}
		password, token, err := f.LokiSecrets()
		if want.err != "" {
			if err == nil || !strings.Contains(err.Error(), want.err) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%s: %v", section, err)
			}
			continue
		}
		if err != nil || password.Reveal() != want.password || token.Reveal() != want.token {
			t.Errorf("%s: %v, password %v, token %v", section, err, password.Reveal() == want.password, token.Reveal() == want.token)
		}
	}
}

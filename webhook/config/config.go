// Package config reads the configuration of the webhook: one strict YAML file that composes the sections of its parts.
//
// The idea: what a person writes is decoded onto a struct that is filled with the defaults; every mistake is one sentence with line, path,
// value and what is allowed, and all mistakes are reported at once. A channel is opened while checking, so that missing credentials are
// found at the start and not at the first page.
//
//	file, err := config.Load("foreshock-webhook.yml")
//	channels, err := file.Open(notify.Env{Logger: logger, ExternalURL: file.ExternalURL})
//
// It does not watch the file and keeps nothing: whoever reloads keeps the old one when Load or Open fails.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
)

// maxFile bounds what is read of a configuration file.
const maxFile = 8 << 20

// File is the configuration. Make it with Default and Load: the zero value is not usable.
type File struct {
	// ExternalURL is the address under which people reach the pages, for links in messages.
	ExternalURL string `yaml:"external_url"`
	Language    string `yaml:"language"` // of messages, where a channel has none of its own, and of pages for browsers that ask for none
	// Cluster is the name of the Alertmanager cluster that sends here; ?cluster= in a sender's address overrides it.
	Cluster       string              `yaml:"cluster"`
	Web           Web                 `yaml:"web"`
	Store         Store               `yaml:"store"`
	Alertmanagers map[string][]string `yaml:"alertmanagers"` // addresses by cluster, to ask when deliveries contradict each other
	Grafana       Grafana             `yaml:"grafana"`
	Auth          Auth                `yaml:"auth"`
	Limits        Limits              `yaml:"limits"`
	Retention     Retention           `yaml:"retention"`
	Channels      Channels            `yaml:"channels"`
	Calendars     map[string]Calendar `yaml:"calendars"` // that schedules import
	Topology      Topology            `yaml:"topology"`
	Prometheus    Prometheus          `yaml:"prometheus"`
	Loki          Loki                `yaml:"loki"`
	Templates     []string            `yaml:"templates"` // patterns of files with templates, for title and text of channels
	Fallback      policy.Fallback     `yaml:"fallback"`
	Interactions  Interactions        `yaml:"interactions"`

	policy.Rules
	path  string
	lines map[string]int
}

// Web says where to listen. It is read at the start only.
type Web struct {
	Listen     []string `yaml:"listen"`
	ConfigFile string   `yaml:"config_file"` // TLS and basic authentication, in the exporter toolkit's format
}

// Store says where the state is. It is read at the start only. At most one of its fields is set.
type Store struct {
	SQLite          string        `yaml:"sqlite"` // path of the database file
	PostgresURL     notify.Secret `yaml:"postgres_url"`
	PostgresURLFile string        `yaml:"postgres_url_file"`
}

// Grafana checks the signature of Grafana's contact point. Without a secret, Grafana's messages are taken unsigned.
type Grafana struct {
	HMACSecret      notify.Secret   `yaml:"hmac_secret"`
	HMACSecretFile  string          `yaml:"hmac_secret_file"`
	SignatureHeader string          `yaml:"signature_header"`
	TimestampHeader string          `yaml:"timestamp_header"` // as in the contact point; empty: the signature covers the body alone
	MaxAge          policy.Duration `yaml:"max_age"`          // of a signed timestamp
	URL             string          `yaml:"url"`              // under which people reach Grafana, for links into it
	DataSource      string          `yaml:"datasource"`       // UID of its Prometheus data source
}

// Topology says where the service graph comes from.
type Topology struct {
	File    string          `yaml:"file"`    // services and their calls, as pkg/topology has them
	Traces  bool            `yaml:"traces"`  // also from the metrics of service graphs in Prometheus
	Refresh policy.Duration `yaml:"refresh"` // how often Prometheus and Alertmanager are asked
}

// Prometheus is asked by rules of noise.regrade, for the service graph, and for alerts that come and go unseen.
type Prometheus struct {
	URL     notify.Secret `yaml:"url"`
	URLFile string        `yaml:"url_file"`
}

// Loki is asked by rules of noise.regrade with a logql condition. At most one of a user with a password, and a token, is set.
type Loki struct {
	URL          string        `yaml:"url"` // without credentials
	User         string        `yaml:"user"`
	Password     notify.Secret `yaml:"password"`
	PasswordFile string        `yaml:"password_file"`
	Token        notify.Secret `yaml:"token"` // sent as a bearer token
	TokenFile    string        `yaml:"token_file"`
	Tenant       string        `yaml:"tenant"` // sent as X-Scope-OrgID
}

// Limits bound one delivery.
type Limits struct {
	Annotation int64 `yaml:"annotation"` // bytes kept of one annotation or other prose
	Prose      int64 `yaml:"prose"`      // bytes kept of all of them in one delivery
	Raw        int64 `yaml:"raw"`        // bytes kept of the delivery as it came; 0 keeps none
	Memory     int64 `yaml:"memory"`     // bytes that one delivery may need, labels above all; beyond it is answered 503
	Body       int64 `yaml:"body"`       // bytes of a body, unpacked, beyond which it is answered 503
}

// Retention says how long things are kept. 0 keeps them for ever.
type Retention struct {
	Bodies     policy.Duration `yaml:"bodies"`
	Deliveries policy.Duration `yaml:"deliveries"`
	Cases      policy.Duration `yaml:"cases"` // after they are closed
}

// Default is the configuration without a file: SQLite in the working directory, no channels.
func Default() File {
	rules := policy.DefaultRules()
	rules.Routes, rules.Noise = nil, policy.DefaultNoise()
	return File{
		Language: message.English,
		Cluster:  "default",
		Web:      Web{Listen: []string{":9099"}},
		Grafana:  Grafana{SignatureHeader: "X-Grafana-Alerting-Signature", MaxAge: policy.Duration(5 * time.Minute)},
		Auth:     defaultAuth(),
		// 64 KiB of a text and 16 MiB together: see alert.DefaultLimits. 1 MiB of raw body is more than 1,000 ordinary alerts.
		// 256 MiB is beyond any Alertmanager, and is unpacked in seconds.
		Limits:    Limits{Annotation: 64 << 10, Prose: 16 << 20, Raw: 1 << 20, Memory: 512 << 20, Body: 256 << 20},
		Topology:  Topology{Refresh: policy.Duration(time.Minute)},
		Retention: Retention{Bodies: days(7), Deliveries: days(30), Cases: days(90)},
		Fallback:  policy.DefaultFallback(), Interactions: defaultInteractions(),
		Rules: rules,
	}
}

func days(n int) policy.Duration { return policy.Duration(time.Duration(n) * 24 * time.Hour) }

// Load reads and checks a file. The error joins all mistakes, one sentence each. Relative paths in it are relative to the file's folder.
func Load(path string) (*File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("configuration %s is longer than %d bytes", path, maxFile)
	}
	f, err := Parse(text)
	if err != nil {
		return nil, err
	}
	f.path = path
	dir := filepath.Dir(path)
	for _, p := range []*string{&f.Web.ConfigFile, &f.Store.SQLite, &f.Store.PostgresURLFile, &f.Grafana.HMACSecretFile, &f.Topology.File, &f.Prometheus.URLFile, &f.Loki.PasswordFile, &f.Loki.TokenFile, &f.Auth.OIDC.ClientSecretFile} {
		*p = within(dir, *p)
	}
	for name, t := range f.Auth.Tokens {
		t.TokenFile = within(dir, t.TokenFile)
		f.Auth.Tokens[name] = t
	}
	for name, c := range f.Calendars {
		c.URLFile, c.File = within(dir, c.URLFile), within(dir, c.File)
		f.Calendars[name] = c
	}
	for _, p := range f.Interactions.files() {
		*p = within(dir, *p)
	}
	for i := range f.Templates {
		f.Templates[i] = within(dir, f.Templates[i])
	}
	for _, c := range f.Channels {
		for name, v := range c.settings {
			if file, ok := v.(string); ok && strings.HasSuffix(name, "_file") {
				c.settings[name] = within(dir, file)
			}
		}
	}
	return f, nil
}

func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Parse reads a configuration and checks all but the channels, which Open does. The error joins all mistakes, one sentence each.
func Parse(text []byte) (*File, error) {
	root, err := tree(bytes.TrimPrefix(text, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	f := Default()
	d := &decoder{lines: map[string]int{}}
	d.value(root, "", reflect.ValueOf(&f).Elem())
	if len(d.errs) > 0 {
		return nil, errors.Join(d.errs...)
	}
	f.lines = d.lines
	if len(f.Routes) == 0 && len(f.Channels) > 0 {
		f.Routes = f.Channels.routes()
	}
	for _, check := range []func() error{f.web, f.store, f.grafana, f.auth, f.sizes, f.addresses, f.rules, f.facts, f.loki, f.calendars, f.fallback, f.interactions} {
		d.errs = append(d.errs, d.each(check())...)
	}
	return &f, errors.Join(d.errs...)
}

// Names lists the names of the channels, sorted.
func (c Channels) Names() []string {
	names := make([]string, 0, len(c))
	for n := range c {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Open opens all channels. The error joins what is wrong with any of them, with its line.
func (f *File) Open(env notify.Env) (map[string]notify.Channel, error) {
	env.Lang, env.ExternalURL = f.Language, f.ExternalURL
	out := map[string]notify.Channel{}
	var errs []error
	templates, err := notify.LoadTemplates(f.Templates)
	if err != nil {
		return nil, &Error{f.lines["templates"], "templates", err.Error()}
	}
	env.Templates = templates
	for _, name := range f.Channels.Names() {
		c, err := f.Channels[name].Open(env)
		if err != nil {
			path := "channels." + name
			errs = append(errs, &Error{f.lines[path], path, err.Error()})
			continue
		}
		out[name] = c
	}
	return out, errors.Join(errs...)
}

func (f *File) web() error {
	if len(f.Web.Listen) == 0 {
		return errors.New("web.listen: is empty: want at least one address, such as \":9099\"")
	}
	for i, a := range f.Web.Listen {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("web.listen[%d]: got %q, want host:port or :port", i, a)
		}
	}
	return nil
}

func (f *File) store() error {
	set := 0
	for _, s := range []string{f.Store.SQLite, f.Store.PostgresURL.Reveal(), f.Store.PostgresURLFile} {
		if s != "" {
			set++
		}
	}
	if set > 1 {
		return errors.New("store: more than one of sqlite, postgres_url and postgres_url_file is set: want one")
	}
	if u := f.Store.PostgresURL.Reveal(); u != "" && !strings.HasPrefix(u, "postgres://") && !strings.HasPrefix(u, "postgresql://") {
		return errors.New("store.postgres_url: want an address like postgres://user:password@host:5432/database")
	}
	return nil
}

func (f *File) grafana() error {
	g := f.Grafana
	switch {
	case g.HMACSecret != "" && g.HMACSecretFile != "":
		return errors.New("grafana: both hmac_secret and hmac_secret_file are set: want one")
	case g.SignatureHeader == "":
		return errors.New("grafana.signature_header: is empty: want the name of a header")
	case g.URL != "" && !goodURL(g.URL):
		return errors.New("grafana.url: want an address like https://grafana.example.com")
	case g.MaxAge <= 0:
		return fmt.Errorf("grafana.max_age: %q: want a duration above 0", g.MaxAge)
	}
	return nil
}

func (f *File) sizes() error {
	for _, s := range []struct {
		name          string
		v, low, highs int64
	}{
		{"annotation", f.Limits.Annotation, 256, 16 << 20},
		{"prose", f.Limits.Prose, 4096, 256 << 20},
		{"raw", f.Limits.Raw, 0, 64 << 20},
		{"memory", f.Limits.Memory, 16 << 20, 64 << 30},
		{"body", f.Limits.Body, 1 << 20, 4 << 30},
	} {
		if s.v < s.low || s.v > s.highs {
			return fmt.Errorf("limits.%s: got %d, want %d to %d bytes", s.name, s.v, s.low, s.highs)
		}
	}
	return nil
}

func (f *File) addresses() error {
	if f.ExternalURL != "" && !goodURL(f.ExternalURL) {
		got := ""
		if !strings.Contains(f.ExternalURL, "@") { // else it may hold a password
			got = fmt.Sprintf("got %q, ", f.ExternalURL)
		}
		return fmt.Errorf("external_url: %swant an address like https://foreshock.example.com", got)
	}
	if !slices.Contains(message.Languages(), f.Language) {
		return fmt.Errorf("language: got %q, want one of %s", f.Language, strings.Join(message.Languages(), ", "))
	}
	if !goodName(f.Cluster) {
		return fmt.Errorf("cluster: got %q, want 1 to 64 letters, digits, '-', '_' or '.'", f.Cluster)
	}
	for cluster, all := range f.Alertmanagers {
		for i, a := range all {
			if !goodURL(a) {
				return fmt.Errorf("alertmanagers.%s[%d]: want an address like http://alertmanager:9093", cluster, i)
			}
		}
	}
	return nil
}

func goodURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (f *File) rules() error {
	if len(f.Channels) == 0 {
		return errNoChannel
	}
	return f.Rules.Validate(f.Channels.Names())
}

// StoreURL is the address that store.Open takes. A secret file is read here.
func (f *File) StoreURL() (notify.Secret, error) {
	switch {
	case f.Store.PostgresURLFile != "":
		s, err := notify.ReadSecret(f.Store.PostgresURLFile)
		if err != nil {
			return "", fmt.Errorf("store.postgres_url_file: %w", err)
		}
		return s, nil
	case f.Store.PostgresURL != "":
		return f.Store.PostgresURL, nil
	}
	path := f.Store.SQLite
	if path == "" {
		path = "foreshock-webhook.db"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("store.sqlite: %w", err)
	}
	return notify.Secret("sqlite://" + path), nil
}

// GrafanaSecret is the key of Grafana's signature, "" when it is not checked. A secret file is read here.
func (f *File) GrafanaSecret() (notify.Secret, error) {
	if f.Grafana.HMACSecretFile == "" {
		return f.Grafana.HMACSecret, nil
	}
	s, err := notify.ReadSecret(f.Grafana.HMACSecretFile)
	if err != nil {
		return "", fmt.Errorf("grafana.hmac_secret_file: %w", err)
	}
	return s, nil
}

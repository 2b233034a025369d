package main

import (
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// What ships is accepted by Prometheus and Alertmanager, the newest and Debian's, and by our own programs. The newest promtool is not asked: what it does
// for "check" is done here by the packages that it is made of; for "test rules" Debian's is enough.
func TestProvisioningIsAccepted(t *testing.T) {
	t.Parallel()
	dir := root(t)
	rules, tests := files(t, "provisioning/prometheus/rules/*.yml"), files(t, "provisioning/prometheus/tests/*.yml")
	rules = append(rules, filepath.Join(dir, "pkg/cmd/demo/config/rules.yml"))
	conf, am := filepath.Join(dir, "provisioning/prometheus/prometheus.yml"), filepath.Join(dir, "provisioning/alertmanager/alertmanager.yml")
	t.Run("newest", func(t *testing.T) {
		t.Parallel()
		if _, err := config.LoadFile(conf, false, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
		for _, file := range rules {
			_, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
			for _, err := range errs {
				t.Error(err)
			}
		}
		succeeds(t, dir, "go", "tool", "amtool", "check-config", am)
	})
	t.Run("debian", func(t *testing.T) {
		t.Parallel()
		promtool, amtool := need(t, "promtool"), need(t, "amtool")
		succeeds(t, dir, promtool, "check", "config", conf)
		succeeds(t, dir, promtool, append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, rules...)...)
		succeeds(t, dir, promtool, append([]string{"test", "rules"}, tests...)...)
		succeeds(t, dir, amtool, "check-config", am)
	})
	t.Run("ours", func(t *testing.T) {
		t.Parallel()
		bin := programsOf(t)
		succeeds(t, dir, filepath.Join(bin, "foreshock"), "check", filepath.Join(dir, "provisioning/foreshock/detectors.yml"))
		succeeds(t, dir, filepath.Join(bin, "foreshock-webhook"), "check", filepath.Join(dir, "provisioning/foreshock/webhook.yml"))
	})
}

// Every rule has a test that it fires and one that it does not, a severity that the webhook knows, and a runbook that is there.
func TestRulesAreTestedAndHaveRunbooks(t *testing.T) {
	t.Parallel()
	type group struct {
		Rules []struct {
			Alert               string
			Labels, Annotations map[string]string
		}
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, file := range files(t, "provisioning/prometheus/tests/*.yml") {
		var f struct {
			Tests []struct {
				Cases []struct {
					Alert    string `yaml:"alertname"`
					Expected []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		readYAML(t, file, &f)
		for _, x := range f.Tests {
			for _, c := range x.Cases {
				fires[c.Alert] = fires[c.Alert] || len(c.Expected) > 0
				quiet[c.Alert] = quiet[c.Alert] || len(c.Expected) == 0
			}
		}
	}
	known := regexp.MustCompile(`^(critical|error|warning|info)$|\{\{`)
	for _, file := range files(t, "provisioning/prometheus/rules/*.yml") {
		var f struct{ Groups []group }
		readYAML(t, file, &f)
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				if !fires[r.Alert] {
					t.Errorf("%s: no test expects it to fire", r.Alert)
				}
				if !quiet[r.Alert] && r.Alert != "ForeshockAnomaly" { // its test lists all that fire, and one series that does not
					t.Errorf("%s: no test expects it not to fire", r.Alert)
				}
				if !known.MatchString(r.Labels["severity"]) {
					t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
				}
				runbookIsThere(t, r.Alert, r.Annotations["runbook_url"])
			}
		}
	}
	for _, r := range grafanaRules(t) {
		runbookIsThere(t, r.UID, r.Annotations["runbook_url"])
	}
}

func runbookIsThere(t *testing.T, name, address string) {
	t.Helper()
	path, ok := strings.CutPrefix(address, "https://github.com/foreshock/foreshock/blob/main/")
	if !ok {
		t.Errorf("%s: runbook_url %q, want one in this repository", name, address)
		return
	}
	if _, err := os.Stat(filepath.Join(root(t), path)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// compose loads the file as docker compose does, without looking at the environment.
func compose(t *testing.T) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join(root(t), "docker-compose.yml")}, cli.WithWorkingDirectory(root(t)), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeServices(t *testing.T) {
	t.Parallel()
	p := compose(t)
	for _, want := range []string{"grafana", "prometheus", "alertmanager", "exporter", "scorer", "webhook"} {
		if _, ok := p.Services[want]; !ok {
			t.Errorf("no service %s", want)
		}
	}
	published := map[string]string{}
	for name, s := range p.Services {
		if s.Privileged || len(s.CapAdd) > 0 {
			t.Errorf("%s has privileges", name)
		}
		if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 || s.HealthCheck.Disable {
			t.Errorf("%s has no health check", name)
		}
		if s.Restart == "" {
			t.Errorf("%s is not restarted", name)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q, want loopback", name, port.Published, port.HostIP)
			}
			if other, taken := published[port.Published]; taken {
				t.Errorf("%s and %s both publish %s", name, other, port.Published)
			}
			published[port.Published] = name
		}
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("%s mounts %v", name, err)
				}
				if !v.ReadOnly {
					t.Errorf("%s may write to %s", name, v.Source)
				}
			case types.VolumeTypeVolume:
				if _, ok := p.Volumes[v.Source]; !ok {
					t.Errorf("%s uses the volume %q, which is not declared", name, v.Source)
				}
			}
		}
	}
}

// The commands are understood by the programs that they are for, and the files that they name are mounted.
func TestComposeCommands(t *testing.T) {
	t.Parallel()
	p := compose(t)
	bin := programsOf(t)
	help := map[string][]string{
		"exporter": {filepath.Join(bin, "foreshock-exporter"), "--help"}, "webhook": {filepath.Join(bin, "foreshock-webhook"), "run", "--help"},
		"scorer": {filepath.Join(bin, "foreshock"), "score", "--help"}, "prometheus": {need(t, "prometheus"), "--help"},
		"alertmanager": {need(t, "prometheus-alertmanager"), "--help"},
	}
	for name, command := range help {
		out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
		s := p.Services[name]
		if len(s.Command) == 0 {
			t.Errorf("%s has no command", name)
		}
		for _, arg := range s.Command {
			flag, value, given := strings.Cut(arg, "=")
			if !strings.HasPrefix(flag, "--") {
				continue
			}
			if !given || !regexp.MustCompile(regexp.QuoteMeta(flag)+`[ =\[]`).Match(out) {
				t.Errorf("%s: %s does not know %s", name, command[0], arg)
			}
			if flag == "--config.file" && !mounted(s, value) {
				t.Errorf("%s reads %s, which is not mounted", name, value)
			}
		}
	}
}

func mounted(s types.ServiceConfig, path string) bool {
	for _, v := range s.Volumes {
		if path == v.Target || strings.HasPrefix(path, v.Target+"/") {
			return true
		}
	}
	return false
}

// Addresses in the configurations, and in the environment and the health checks, are those of services and of the ports that they listen on.
func TestComposeAddresses(t *testing.T) {
	t.Parallel()
	p := compose(t)
	listens := map[string]string{
		"prometheus": "9090", "alertmanager": "9093", "scorer": "9098", "webhook": "9099", "exporter": "9100", "grafana": "3000",
	}
	// What runs on the host's network is reached through the host.
	reached := map[string]string{"host.docker.internal:9100": "exporter"}
	for name, port := range listens {
		reached[name+":"+port] = name
	}
	if _, ok := p.Services["prometheus"].ExtraHosts["host.docker.internal"]; !ok {
		t.Error("prometheus does not know host.docker.internal")
	}
	if mode := p.Services["exporter"].NetworkMode; mode != "host" {
		t.Errorf("the exporter's network is %q, want the host's", mode)
	}
	address := regexp.MustCompile(`([a-z][a-z.-]*):(\d{4,5})\b`)
	for _, file := range []string{"prometheus/prometheus.yml", "alertmanager/alertmanager.yml", "foreshock/detectors.yml", "foreshock/webhook.yml"} {
		raw, err := os.ReadFile(filepath.Join(root(t), "provisioning", file))
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := yaml.Unmarshal(raw, &tree); err != nil {
			t.Fatal(err)
		}
		for _, text := range textsIn(tree) {
			for _, m := range address.FindAllStringSubmatch(text, -1) {
				if _, ok := reached[m[0]]; !ok && m[1] != "localhost" {
					t.Errorf("%s: nothing listens on %s", file, m[0])
				}
			}
		}
	}
	grafana := p.Services["grafana"]
	for _, name := range provisioningVariables(t) {
		value, ok := grafana.Environment[name]
		if !ok || value == nil || *value == "" {
			t.Errorf("provisioning needs %s, which grafana's environment lacks", name)
			continue
		}
		if u, err := url.Parse(*value); err == nil && u.Host != "" {
			if _, ok := reached[u.Host]; !ok {
				t.Errorf("%s: nothing listens on %s", name, u.Host)
			}
		} else if !mounted(grafana, *value) {
			t.Errorf("%s: %s is not mounted", name, *value)
		}
	}
	for name, s := range p.Services {
		if test := strings.Join(s.HealthCheck.Test, " "); !strings.Contains(test, "127.0.0.1:"+listens[name]+"/") {
			t.Errorf("%s: the health check %q does not ask port %s", name, test, listens[name])
		}
		for needed := range s.DependsOn {
			if _, ok := p.Services[needed]; !ok {
				t.Errorf("%s depends on %s", name, needed)
			}
		}
	}
}

// textsIn are all texts within a tree of YAML.
func textsIn(tree any) []string {
	switch x := tree.(type) {
	case string:
		return []string{x}
	case []any:
		var out []string
		for _, v := range x {
			out = append(out, textsIn(v)...)
		}
		return out
	case map[string]any:
		var out []string
		for _, v := range x {
			out = append(out, textsIn(v)...)
		}
		return out
	}
	return nil
}

// provisioningVariables are those of the environment that Grafana's provisioning uses.
func provisioningVariables(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	for _, part := range []string{"datasources", "dashboards", "alerting"} {
		for _, file := range files(t, "provisioning/"+part+"/*.yml") {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(string(raw), -1) {
				found[m[1]] = true
			}
		}
	}
	var names []string
	for n := range found {
		names = append(names, n)
	}
	return names
}

// Every image that compose builds is a target of the Dockerfile, and what the Dockerfile copies is in the checkout and in the build context.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	dir := root(t)
	raw, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	stages := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^FROM \S+ AS (\S+)$`).FindAllStringSubmatch(string(raw), -1) {
		stages[m[1]] = true
	}
	for _, want := range []string{"exporter", "webhook", "foreshock", "plugin"} {
		if !stages[want] {
			t.Errorf("no target %s", want)
		}
	}
	for name, s := range compose(t).Services {
		if s.Build != nil && !stages[s.Build.Target] {
			t.Errorf("%s is built from the target %q", name, s.Build.Target)
		}
	}
	ignore, err := os.ReadFile(filepath.Join(dir, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^COPY (.+)$`).FindAllStringSubmatch(string(raw), -1) {
		words := strings.Fields(m[1])
		if from, ok := strings.CutPrefix(words[0], "--from="); ok {
			if !stages[from] {
				t.Errorf("COPY %s: no stage %s", m[1], from)
			}
			continue
		}
		for _, source := range words[:len(words)-1] {
			if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
				t.Errorf("COPY %s: %v", m[1], err)
			}
			if !inContext(string(ignore), source) {
				t.Errorf("COPY %s: .dockerignore leaves %s out", m[1], source)
			}
		}
	}
	// The versions of the images that build are those that the sources want.
	if node, err := os.ReadFile(filepath.Join(dir, ".nvmrc")); err == nil && !strings.Contains(string(raw), "FROM node:"+strings.TrimSpace(string(node))+"-") {
		t.Errorf("the front end is not built with Node %s of .nvmrc", strings.TrimSpace(string(node)))
	}
}

// inContext reports whether a line of .dockerignore lets a path in; the first line leaves everything out.
func inContext(ignore, path string) bool {
	for line := range strings.Lines(ignore) {
		let, ok := strings.CutPrefix(strings.TrimSpace(line), "!")
		if ok && (path == let || strings.HasPrefix(path, let+"/")) {
			return true
		}
	}
	return false
}

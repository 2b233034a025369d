package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// grafana is a Grafana that was found on this machine and runs with the plugin, the shipped provisioning and the shipped dashboards.
type grafana struct {
	url string
}

// grafanaStart is how long Grafana may take: it makes its data base first.
const grafanaStart = 3 * time.Minute

// startGrafana starts Grafana where there is one, and tells why not where there is none.
func (d *demo) startGrafana(ctx context.Context, b binaries) error {
	home, program := findGrafana(d.options)
	switch {
	case !d.options.grafana:
		return nil
	case program == "" && d.options.grafanaHome != "":
		return fmt.Errorf("--grafana.home: there is no bin/grafana in %s", d.options.grafanaHome)
	case program == "":
		d.story.say("Grafana: skipped, none is installed here (--grafana.home says where one is).")
		return nil
	case b.frontEnd == "":
		d.story.say("Grafana: skipped, the front end of the plugin is not built (\"npm ci && npm run build\", which needs Node).")
		return nil
	case b.root == "":
		d.story.say("Grafana: skipped, its provisioning is in a checkout of Foreshock, and this is none.")
		return nil
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	ini, env, err := d.prepareGrafana(b, address)
	if err != nil {
		return fmt.Errorf("preparing Grafana: %w", err)
	}
	cmd := exec.Command(program, "server", "--homepath", home, "--config", ini)
	cmd.Env = append(withoutProxies(os.Environ()), env...)
	cmd.Dir = home
	p, err := startProcess(d.stack.logs, "grafana", cmd)
	if err != nil {
		return err
	}
	d.stack.onStop(p.Stop)
	d.grafana = &grafana{"http://" + address}
	return d.story.during("starting Grafana", nothing, func() error { return p.await(ctx, d.grafana.url+"/api/health", grafanaStart) })
}

// findGrafana looks at --grafana.home (or GRAFANA_HOME), else for grafana on PATH.
func findGrafana(o options) (home, program string) {
	if o.grafanaHome != "" {
		program = filepath.Join(o.grafanaHome, "bin", "grafana")
		if _, err := os.Stat(program); err != nil {
			return "", ""
		}
		return o.grafanaHome, program
	}
	program, err := exec.LookPath("grafana")
	if err != nil {
		return "", ""
	}
	target, err := filepath.EvalSymlinks(program)
	if err != nil {
		return "", ""
	}
	for _, home := range []string{filepath.Dir(filepath.Dir(target)), "/usr/share/grafana"} {
		if _, err := os.Stat(filepath.Join(home, "conf", "defaults.ini")); err == nil {
			return home, program
		}
	}
	return "", ""
}

// prepareGrafana lays out plugin, provisioning and configuration; it returns the path of the configuration and the environment.
func (d *demo) prepareGrafana(b binaries, address string) (ini string, env []string, err error) {
	dir := filepath.Join(d.stack.dir, "grafana")
	plugin := filepath.Join(dir, "plugins", pluginID)
	provisioning := filepath.Join(dir, "provisioning")
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o750); err != nil {
		return "", nil, err
	}
	if err := copyTree(b.frontEnd, plugin); err != nil {
		return "", nil, err
	}
	if err := copyFile(b.plugin, filepath.Join(plugin, pluginFile()), 0o755); err != nil {
		return "", nil, err
	}
	for _, part := range []string{"datasources", "dashboards", "alerting"} {
		if err := copyTree(filepath.Join(b.root, "provisioning", part), filepath.Join(provisioning, part)); err != nil {
			return "", nil, err
		}
	}
	dashboards := filepath.Join(dir, "dashboards")
	if err := copyTree(filepath.Join(b.root, "dashboards"), dashboards); err != nil {
		return "", nil, err
	}
	if err := d.stack.place("shop.json", dashboards); err != nil {
		return "", nil, err
	}
	rule, err := d.stack.write("grafana-demo.yml", map[string]string{"LatencyExpr": latencyExpr})
	if err != nil {
		return "", nil, err
	}
	if err := os.Rename(rule, filepath.Join(provisioning, "alerting", "demo.yml")); err != nil {
		return "", nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", nil, err
	}
	ini, err = d.stack.write("grafana.ini", map[string]string{
		"Data": data, "Plugins": filepath.Join(dir, "plugins"), "Provisioning": provisioning, "Port": port,
	})
	return ini, []string{
		"FORESHOCK_PROMETHEUS_URL=" + d.stack.prometheus.URL(), "FORESHOCK_WEBHOOK_URL=" + d.stack.webhookURL(""),
		"FORESHOCK_DASHBOARDS=" + dashboards,
	}, err
}

// tell prints where it is.
func (g *grafana) tell(s *story) {
	if g == nil {
		return
	}
	s.say("  %-13s %s (no login; admin/admin changes things)", "Grafana", g.url)
	for _, l := range [][2]string{
		{"Shop", "foreshock-demo-shop"},
		{"Host overview", "foreshock-host-overview"},
		{"Containers", "foreshock-containers"},
		{"Logs overview", "foreshock-logs-overview"},
		{"Anomalies", "foreshock-anomalies"},
		{"Alert flow", "foreshock-alert-flow"},
		{"Cases", "foreshock-cases"},
	} {
		s.say("    %-15s %s/d/%s", l[0], g.url, l[1])
	}
}

// withoutProxies keeps Grafana from asking a proxy for what is on loopback, and its own settings in the environment from changing the demo's.
func withoutProxies(env []string) []string {
	var out []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if strings.HasSuffix(strings.ToLower(name), "_proxy") || strings.HasPrefix(name, "GF_") {
			continue
		}
		out = append(out, e)
	}
	return out
}

// copyTree copies the files of a folder, without archives, which the plugin's folder may hold after a build.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(target, 0o750)
		case !e.Type().IsRegular() || strings.HasSuffix(path, ".zip"):
			return nil
		}
		return copyFile(path, target, 0o644)
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

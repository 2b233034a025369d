package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foreshock/foreshock/exporter/collector"
)

// patient is longer than any machine takes for a bus that answers.
const patient = time.Minute

// lockedText collects a log: a collector that was given up on may write when the scrape has returned.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// systemdScrape opens the systemd collector of a host with that root and returns a function that scrapes it, and what it logs.
func systemdScrape(t *testing.T, root string, limit time.Duration, more ...string) (func() string, *lockedText) {
	t.Helper()
	o, _, err := parse(append([]string{"--web.disable-exporter-metrics", "--collector.disable-defaults", "--collector.systemd", "--collector.timeout=" + limit.String()}, more...))
	if err != nil {
		t.Fatal(err)
	}
	log := &lockedText{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	host := collector.ThisHost(logger)
	host.Root = root
	set, err := collector.NewSet(collector.Config{Host: host, Log: logger, Enabled: o.enabled, Options: o.collectors})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	h, err := newHandler(o, set, logger)
	if err != nil {
		t.Fatal(err)
	}
	return func() string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return w.Body.String()
	}, log
}

func TestSystemd(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	socket := filepath.Join(root, "run/dbus/system_bus_socket")
	scrape, log := systemdScrape(t, root, patient, `--collector.systemd.unit-exclude=.+\.(mount|target)`)
	if text := scrape(); !strings.Contains(text, `success{collector="systemd"} 0`) || strings.Contains(text, "node_systemd") {
		t.Errorf("without a bus:\n%s", text)
	}
	if strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "no D-Bus at") {
		t.Errorf("a host without D-Bus is no trouble:\n%s", log.String())
	}

	// The bus comes.
	serveSystemd(t, socket, fixtureUnits())
	for range 2 {
		text := scrape()
		for _, want := range []string{
			`node_systemd_unit_state{name="backup.service",state="failed",type="oneshot"} 1`, `node_systemd_unit_state{name="ssh.service",state="failed",type="notify"} 0`,
			`node_systemd_units{state="active"} 5`, `node_systemd_units{state="failed"} 1`, `node_systemd_units{state="activating"} 0`,
			`node_systemd_system_running 0`, `node_systemd_version{version="257.8-1~deb13u1"} 257.8`, `node_systemd_timer_last_trigger_seconds{name="backup.timer"} 1.7672256005e+09`,
			`node_systemd_socket_accepted_connections_total{name="ssh.socket"} 7`, `node_systemd_virtualization_info{virtualization_type="kvm"} 1`,
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("lacks %s:\n%s", want, text)
			}
		}
		for _, bad := range []string{"absent.service", "multi-user.target", "home.mount", "node_systemd_service_restart_total", "tasks"} {
			if strings.Contains(text, bad) {
				t.Errorf("has %s", bad)
			}
		}
	}
}

// TestSystemdHangs: a bus that accepts and never answers costs its collector the time limit, and no more scrapes wait for it than one.
func TestSystemdHangs(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	socket := filepath.Join(root, "run/dbus/system_bus_socket")
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // connections wait in the queue of the socket
	scrape, log := systemdScrape(t, root, 300*time.Millisecond)
	began := time.Now()
	for range 3 {
		if text := scrape(); !strings.Contains(text, `success{collector="systemd"} 0`) {
			t.Errorf("got:\n%s", text)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("three scrapes took %s", took)
	}
	if !strings.Contains(log.String(), "no answer after") {
		t.Errorf("the trouble is not told:\n%s", log.String())
	}
}

// TestSystemdGone: a D-Bus without systemd, as in a container, is no trouble; a connection that breaks is made anew by the next scrape.
func TestSystemdGone(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	socket := filepath.Join(root, "run/dbus/system_bus_socket")
	closeBus := serveSystemd(t, socket, nil)
	scrape, log := systemdScrape(t, root, patient)
	if text := scrape(); strings.Contains(text, "node_systemd") || strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "no systemd on it") {
		t.Errorf("without systemd:\n%s\n%s", text, log.String())
	}
	closeBus()
	if err := os.RemoveAll(socket); err != nil {
		t.Fatal(err)
	}
	serveSystemd(t, socket, fixtureUnits())
	scrape() // finds that the connection is broken
	if text := scrape(); !strings.Contains(text, `node_systemd_units{state="failed"} 1`) {
		t.Errorf("after the bus came back:\n%s\n%s", text, log.String())
	}
}

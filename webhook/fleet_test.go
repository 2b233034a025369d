package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/store/storetest"
)

// takeover is within what time another receiver goes on with the work of one that died.
const takeover = 30 * time.Second

// alertmanager starts the installed Alertmanager, alone, sending to one receiver, and returns its address.
func alertmanager(t *testing.T, receiver string) string {
	t.Helper()
	bin, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		const missing = "prometheus-alertmanager is not installed (Debian: apt-get install prometheus-alertmanager)"
		if os.Getenv("FORESHOCK_TEST_OPTIONAL") == "1" {
			t.Skip(missing)
		}
		t.Fatal(missing)
	}
	dir, addr := t.TempDir(), freePort(t)
	config := filepath.Join(dir, "am.yml")
	text := fmt.Sprintf("route: {receiver: foreshock, group_by: ['...'], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}\nreceivers: [{name: foreshock, webhook_configs: [{url: 'http://%s/api/v1/alerts', send_resolved: true}]}]\n", receiver)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), bin, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+addr, "--web.external-url=http://"+addr, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &log, &log, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if res, err := http.Get("http://" + addr + "/-/ready"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return addr
			}
		}
	}
	t.Fatalf("Alertmanager was not ready within 30 s: %s", &log)
	return ""
}

// raise gives an alert to an Alertmanager as Prometheus does: firing until ends.
func raise(t *testing.T, am, name string, starts, ends time.Time) {
	t.Helper()
	body, err := json.Marshal([]map[string]any{{"labels": map[string]string{"alertname": name, "severity": "critical"}, "startsAt": starts, "endsAt": ends}})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post("http://"+am+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("Alertmanager took the alert with %d", res.StatusCode)
	}
}

// page is a message that arrived: which receiver sent it, and which one it is.
type page struct {
	from, what, alert, key string
	repeated               bool
	at                     time.Time
}

// pager takes messages at an address for each receiver. The first message about the alert named hold is not answered, so that a receiver can
// die in the middle of sending it.
type pager struct {
	*httptest.Server
	hold    string
	release chan struct{}
	mu      sync.Mutex
	held    bool
	all     []page
	news    chan page
}

func newPager(t *testing.T, hold string) *pager {
	t.Helper()
	p := &pager{hold: hold, release: make(chan struct{}), news: make(chan page, 100)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b notify.WebhookBody
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil || len(b.Alerts) == 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		got := page{strings.Trim(r.URL.Path, "/"), string(b.What), b.Alerts[0].Labels["alertname"], b.Key, b.MaybeRepeated, time.Now()}
		p.mu.Lock()
		wait := got.alert == p.hold && !p.held
		p.held = p.held || wait
		p.all = append(p.all, got)
		p.mu.Unlock()
		p.news <- got
		if wait {
			select {
			case <-p.release:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(p.Close)
	t.Cleanup(func() { close(p.release) })
	return p
}

func (p *pager) next(t *testing.T, within time.Duration) page {
	t.Helper()
	select {
	case got := <-p.news:
		return got
	case <-time.After(within):
		t.Fatalf("no page within %s; so far: %+v", within, p.all)
	}
	return page{}
}

// quiet waits until so many deliveries came and everything was sent, and makes sure that nobody was paged meanwhile.
func (p *pager) quiet(t *testing.T, receivers []string, deliveries int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, text := get(t, "http://"+receivers[0]+"/api/v1/counts")
		var counts struct {
			Deliveries int
			Actions    map[string]int
		}
		if err := json.Unmarshal([]byte(text), &counts); err != nil {
			t.Fatal(err, text)
		}
		if counts.Deliveries >= deliveries && counts.Actions["running"]+counts.Actions["retry"]+counts.Actions["unknown"] == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the deliveries of both Alertmanagers did not come: %s", text)
		}
	}
	select {
	case got := <-p.news:
		t.Errorf("somebody was paged twice: %+v", got)
	default:
	}
}

// Two receivers on one PostgreSQL behind two Alertmanagers that know nothing of each other: one page for each change. When one receiver dies in
// the middle of sending, the other sends that page, under the same key and saying that it may be a repetition, within takeover.
func TestFleetSendsOnePage(t *testing.T) {
	t.Parallel()
	const held = "HeldByTheOneThatDies"
	p := newPager(t, held)
	database := storetest.Postgres(t)
	var receivers, managers []string
	running := map[string]*process{}
	for _, name := range []string{"one", "two"} {
		addr := freePort(t)
		config := writeConfig(t, fmt.Sprintf("store: {postgres_url: %q}\nchannels: {pager: {type: webhook, url: '%s/%s'}}\n", database, p.URL, name))
		running[name] = launch(t, addr, config)
		receivers, managers = append(receivers, addr), append(managers, alertmanager(t, addr))
	}
	starts := time.Now().Add(-time.Minute).Truncate(time.Millisecond)
	both := func(name string, ends time.Time) {
		for _, am := range managers {
			raise(t, am, name, starts, ends)
		}
	}
	later := time.Now().Add(time.Hour)
	both("Ordinary", later)
	first := p.next(t, takeover)
	p.quiet(t, receivers, 2)
	both("Ordinary", time.Now())
	second := p.next(t, takeover)
	p.quiet(t, receivers, 4)
	if first.what != "opened" || second.what != "resolved" || first.repeated || second.repeated || first.key == second.key {
		t.Errorf("pages: %+v, %+v", first, second)
	}

	both(held, later)
	before := p.next(t, takeover)
	died := time.Now()
	running[before.from].kill()
	survivor := map[string]string{"one": "two", "two": "one"}[before.from]
	after := p.next(t, takeover)
	if after.from != survivor || after.key != before.key || !after.repeated || after.what != "opened" {
		t.Errorf("before %s died: %+v; after: %+v", before.from, before, after)
	}
	t.Logf("%s died in the middle of a page; %s sent it %s later", before.from, survivor, after.at.Sub(died).Round(time.Millisecond))
	left := map[string]string{"one": receivers[0], "two": receivers[1]}[survivor]
	p.quiet(t, []string{left}, 5)
}

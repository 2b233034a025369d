package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// figures is how long each load of TestFigures lasts: FORESHOCK_FIGURES=10m go test ./webhook -run TestFigures -v -timeout 60m. Without it,
// a second, which shows that the measuring works and measures nothing.
func figures(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("FORESHOCK_FIGURES")
	if text == "" {
		return time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("FORESHOCK_FIGURES: %v", err)
	}
	return d
}

// load is one run against the real program on one core (GOMAXPROCS=1, and taskset where there is one), SQLite, every answer durable.
type load struct {
	t     *testing.T
	addr  string
	p     *process
	http  *http.Client
	mu    sync.Mutex
	took  []time.Duration // of answered deliveries
	bad   map[int]int     // answers other than 200
	count atomic.Int64    // alerts in deliveries that were answered 200
	spent time.Duration   // processor time of the program during the last run
}

func newLoad(t *testing.T) *load {
	t.Helper()
	addr := freePort(t)
	t.Helper()
	p := &process{log: &bytes.Buffer{}, ended: make(chan struct{})}
	args := []string{binary(t), "--config.file=" + writeConfig(t, logConfig), "--web.listen-address=" + addr, "--log.level=warn"}
	if taskset, err := exec.LookPath("taskset"); err == nil {
		args = append([]string{taskset, "-c", "0"}, args...)
	}
	p.Cmd = exec.Command(args[0], args[1:]...)
	p.Env = append(os.Environ(), "GOMAXPROCS=1")
	p.Stdout, p.Stderr = p.log, p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.Wait(); close(p.ended) }()
	t.Cleanup(p.kill)
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if res, err := http.Get("http://" + addr + "/-/ready"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the program was not ready: %s", p.log)
		}
	}
	return &load{t: t, addr: addr, p: p, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}, bad: map[int]int{}}
}

// batch is a delivery of n alerts of one group, numbered from first; every 40th is critical.
func batch(first, n int, status string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"version":"4","status":%q,"groupKey":"{}:{g=%d}","alerts":[`, status, first)
	ends := ""
	if status == "resolved" {
		ends = `,"endsAt":"2026-11-20T12:00:00Z"`
	}
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		severity := "warning"
		if (first+i)%40 == 0 {
			severity = "critical"
		}
		fmt.Fprintf(&b, `{"status":%q,"labels":{"alertname":"HighLatency","instance":"host-%d","job":"node","severity":%q,"region":"eu-1","team":"infra"},"annotations":{"summary":"p99 of host %d is above 500 ms"},"startsAt":"2026-11-20T11:00:00Z"%s,"generatorURL":"http://prometheus:9090/graph?g0.expr=up"}`,
			status, first+i, severity, first+i, ends)
	}
	b.WriteString("]}")
	return b.Bytes()
}

// deliver posts one delivery and remembers how long its answer took.
func (l *load) deliver(body []byte, alerts int) {
	began := time.Now()
	res, err := l.http.Post("http://"+l.addr+"/api/v1/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		l.mu.Lock()
		l.bad[0]++
		l.mu.Unlock()
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	if res.StatusCode != http.StatusOK {
		l.bad[res.StatusCode]++
		return
	}
	l.took = append(l.took, took)
	l.count.Add(int64(alerts))
}

// processor is how much processor time the program has used. On a machine that others use too it says more than the clock.
func (p *process) processor(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		t.Skipf("this system does not tell processor times: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		t.Fatalf("/proc stat: %s", text)
	}
	ticks := time.Duration(0)
	for _, f := range fields[11:13] { // user and system time, in hundredths of a second
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

// per is a rate per second of processor time.
func (l *load) per(n int64) float64 { return float64(n) / max(l.spent.Seconds(), .01) }

// during runs workers until the time is over and returns how many alerts a second were made durable.
func (l *load) during(d time.Duration, workers int, next func(worker, i int) ([]byte, int)) float64 {
	l.took, l.bad = nil, map[int]int{}
	before, began, used := l.count.Load(), time.Now(), l.p.processor(l.t)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := 0; time.Since(began) < d; i++ {
				l.deliver(next(w, i))
			}
		})
	}
	wg.Wait()
	l.spent = l.p.processor(l.t) - used
	if len(l.bad) > 0 {
		l.t.Errorf("answers other than 200: %v\n%s", l.bad, l.p.log)
	}
	return float64(l.count.Load()-before) / time.Since(began).Seconds()
}

func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, int(q*float64(len(all))))].Round(100 * time.Microsecond)
}

// The figures of docs/performance.md. It fails for wrong answers, never for slow ones: a shared machine is not a promise.
func TestFigures(t *testing.T) {
	d := figures(t)
	if d > time.Second {
		t.Logf("each load lasts %s", d)
	} else {
		t.Parallel()
	}
	const hosts = 30_000
	t.Run("ingest", func(t *testing.T) { ingest(t, d, hosts) })
	t.Run("active", func(t *testing.T) { manyActive(t, hosts, d > time.Second) })
	t.Run("large", func(t *testing.T) { oneLarge(t, d > time.Second) })
}

// ingest measures deliveries of 50 alerts, of one, and with pages that are read beside them.
func ingest(t *testing.T, d time.Duration, hosts int) {
	t.Helper()
	const size = 50
	l := newLoad(t)
	// Deliveries as Alertmanager's: of 30,000 alerts most are told again, some begin, some end.
	rate := l.during(d, 4, func(w, i int) ([]byte, int) {
		group := (i*4 + w) % (hosts / size)
		status := "firing"
		if i%97 == 96 {
			status = "resolved"
		}
		return batch(group*size, size, status), size
	})
	t.Logf("batches of %d: %.0f alerts/s, %.0f per second of processor, answer p50 %s, p99 %s, peak of memory %d MB",
		size, rate, l.per(l.count.Load()), quantile(l.took, .5), quantile(l.took, .99), l.p.peak(t)>>20)
	so := l.count.Load()
	rate = l.during(d/2, 8, func(w, i int) ([]byte, int) { return batch(hosts+(i*8+w)%hosts, 1, "firing"), 1 })
	t.Logf("single alerts: %.0f requests/s, %.0f per second of processor, answer p50 %s, p99 %s",
		rate, l.per(l.count.Load()-so), quantile(l.took, .5), quantile(l.took, .99))
	polled(t, l, d/4)
}

// polled measures what pages that are read ten times a second cost the ingest.
func polled(t *testing.T, l *load, d time.Duration) {
	t.Helper()
	next := func(w, i int) ([]byte, int) { return batch((i*4+w)%600*50, 50, "firing"), 50 }
	one := func() (rate, per float64) {
		so := l.count.Load()
		rate = l.during(d, 4, next)
		return rate, l.per(l.count.Load() - so)
	}
	without, cheap := one()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var pages []time.Duration
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			began := time.Now()
			code, text := get(t, "http://"+l.addr+[]string{"/", "/cases"}[i%2])
			if code != http.StatusOK || !strings.Contains(text, "</html>") {
				t.Errorf("a page was answered %d", code)
				return
			}
			pages = append(pages, time.Since(began))
		}
	})
	with, dear := one()
	close(stop)
	wg.Wait()
	again, later := one()
	base := (cheap + later) / 2
	t.Logf("pages at up to 10/s beside it: %d read, p50 %s, p99 %s; %.0f alerts/s before, %.0f with, %.0f after; per second of processor %.0f, %.0f, %.0f: %.1f %% less",
		len(pages), quantile(pages, .5), quantile(pages, .99), without, with, again, cheap, dear, later, 100*(1-dear/base))
}

// manyActive measures memory with so many alerts that fire, and how long people wait for a command meanwhile.
func manyActive(t *testing.T, hosts int, full bool) {
	t.Helper()
	commands := 200
	if !full {
		hosts, commands = 500, 4
	}
	l := newLoad(t)
	for i := 0; i < hosts; i += 500 {
		l.deliver(batch(i, 500, "firing"), 500)
	}
	res, err := http.Get("http://" + l.addr + "/api/v1/cases?limit=50&order=urgency")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Cases []struct{ ID string } }
	err = json.NewDecoder(res.Body).Decode(&list)
	res.Body.Close()
	if err != nil || len(list.Cases) == 0 {
		t.Fatalf("no case: %v", err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // Alertmanager goes on telling them again
		for i := 0; ; i += 50 {
			select {
			case <-stop:
				return
			default:
				l.deliver(batch(i%hosts, 50, "firing"), 50)
			}
		}
	})
	var took []time.Duration
	for i := range commands { // acknowledged, handed back, acknowledged …: whatever the number of cases
		c := list.Cases[i/2%len(list.Cases)]
		command := []string{"acknowledge", "release"}[i%2]
		began := time.Now()
		res, err := http.Post("http://"+l.addr+"/api/v1/cases/"+c.ID+"/"+command, "application/json", strings.NewReader(`{"by":"ann"}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s was answered %d", command, res.StatusCode)
		}
		took = append(took, time.Since(began))
	}
	close(stop)
	wg.Wait()
	t.Logf("%d active alerts in %d cases or more: %d fire, peak of memory %d MB; %d commands p50 %s, p99 %s",
		hosts, len(list.Cases), counted(t, l.addr), l.p.peak(t)>>20, len(took), quantile(took, .5), quantile(took, .99))
}

// oneLarge measures one delivery of 20,000 new alerts, and the same once more.
func oneLarge(t *testing.T, full bool) {
	t.Helper()
	n := 20_000
	if !full {
		n = 1_000
	}
	l := newLoad(t)
	body := batch(0, n, "firing")
	for _, what := range []string{"new", "repeated"} {
		began, used := time.Now(), l.p.processor(t)
		l.deliver(body, n)
		t.Logf("one delivery of %d %s alerts (%d KB): %s, %s of processor; peak of memory %d MB",
			n, what, len(body)>>10, time.Since(began).Round(time.Millisecond), l.p.processor(t)-used, l.p.peak(t)>>20)
	}
	if got := counted(t, l.addr); got != n || len(l.bad) > 0 {
		t.Errorf("%d alerts fire, want %d; answers other than 200: %v", got, n, l.bad)
	}
}

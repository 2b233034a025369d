package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/store/storetest"
)

// Kills of one run, in full and under -short; FORESHOCK_KILLS=200 makes it as many.
const (
	kills      = 50
	shortKills = 8
)

// built is the folder of the program, once it is built.
var built string

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "foreshock-webhook")
	if err != nil {
		return "", err
	}
	built = dir
	bin := filepath.Join(dir, "foreshock-webhook")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return bin, nil
})

// binary builds the program once.
func binary(t *testing.T) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// process is the running program.
type process struct {
	*exec.Cmd
	log   *bytes.Buffer
	ended chan struct{}
}

// launch starts the program and waits until it is ready.
func launch(t *testing.T, addr, config string, flags ...string) *process {
	t.Helper()
	p := &process{log: &bytes.Buffer{}, ended: make(chan struct{})}
	p.Cmd = exec.Command(binary(t), append([]string{"--config.file=" + config, "--web.listen-address=" + addr}, flags...)...)
	p.Stdout, p.Stderr = p.log, p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.Wait(); close(p.ended) }()
	t.Cleanup(p.kill)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		select {
		case <-p.ended:
			t.Fatalf("the program ended: %s", p.log)
		default:
		}
		if res, err := http.Get("http://" + addr + "/-/ready"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return p
			}
		}
	}
	t.Fatal("the program was not ready within 30 s")
	return nil
}

func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.ended
}

// arrival is a message at the receiver.
type arrival struct {
	key, alert string
	attempt    int
	repeated   bool // it says that it may be a repetition
}

// ear receives messages and remembers all of them.
type ear struct {
	*httptest.Server
	mu   sync.Mutex
	all  []arrival
	news chan struct{}
}

func listen(t *testing.T) *ear {
	t.Helper()
	e := &ear{news: make(chan struct{}, 1)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b notify.WebhookBody
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil || r.Header.Get("Idempotency-Key") != b.Key || len(b.Alerts) == 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		e.mu.Lock()
		e.all = append(e.all, arrival{b.Key, b.Alerts[0].Labels["alertname"], b.Attempt, b.MaybeRepeated})
		e.mu.Unlock()
		select {
		case e.news <- struct{}{}:
		default:
		}
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) // so that some kills fall between arrival and answer
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *ear) arrivals() []arrival {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]arrival(nil), e.all...)
}

// sender posts alerts as Alertmanager does: one delivery again and again until it is answered 200.
type sender struct {
	url   string
	stop  atomic.Bool
	next  atomic.Int64
	acked sync.Map // name → true
	count atomic.Int64
}

func (s *sender) run() {
	client := &http.Client{Timeout: 10 * time.Second}
	for !s.stop.Load() {
		name := fmt.Sprintf("A%06d", s.next.Add(1))
		body := fmt.Sprintf(`{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":%q},"annotations":{},"startsAt":"2026-11-20T11:00:00Z"}]}`, name)
		for {
			res, err := client.Post(s.url, "application/json", strings.NewReader(body))
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err == nil && res.StatusCode == http.StatusOK {
					s.acked.Store(name, true)
					s.count.Add(1)
					break
				}
			}
			if s.stop.Load() {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// quiet makes each alert a case and a message of its own at once, so that what is lost or doubled can be told.
const quiet = "noise: {hold: {p1: 0s, p2: 0s, p3: 0s, resolved: 0s}, similar: {enabled: false}, correlate: {enabled: false}, storm: {enabled: false}, flap: {enabled: false}}\n"

// The program is killed at random points of a run of deliveries. Afterwards every alert that was answered 200 has been told of, in one
// message by its idempotency key; there is at most one repetition for each kill, and each says that it may be one.
func TestSIGKILLLosesNothing(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "sqlite: w.db" },
		"postgres": func(t *testing.T) string { return fmt.Sprintf("postgres_url: %q", storetest.Postgres(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			config := filepath.Join(t.TempDir(), "c.yml")
			text := fmt.Sprintf("store: {%s}\nretry: {base: 5ms, max: 50ms, max_attempts: 10000, max_age: 1h}\nchannels: {ear: {type: webhook, url: %q}}\n", url(t), e.URL) + quiet
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			addr := freePort(t)
			s := &sender{url: "http://" + addr + "/api/v1/alerts"}
			p := launch(t, addr, config)
			var senders sync.WaitGroup
			for range 3 {
				senders.Go(s.run)
			}
			killed := killRandomly(t, p, addr, config, s)
			s.stop.Store(true)
			senders.Wait()
			settle(t, e, s)
			judge(t, e, s, killed, addr)
		})
	}
}

// killRandomly kills and starts the program again and again while deliveries go on, and returns how often.
func killRandomly(t *testing.T, p *process, addr, config string, s *sender) int {
	t.Helper()
	n := kills
	if testing.Short() {
		n = shortKills
	}
	if text := os.Getenv("FORESHOCK_KILLS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("FORESHOCK_KILLS: %v", err)
		}
	}
	for range n {
		// At least one delivery goes through, then a random moment: before, within or after a commit, or in the middle of sending.
		for before := s.count.Load(); s.count.Load() == before; time.Sleep(200 * time.Microsecond) {
		}
		time.Sleep(time.Duration(rand.Int64N(int64(60 * time.Millisecond))))
		p.kill()
		p = launch(t, addr, config)
	}
	return n
}

// settle waits until every acknowledged alert has arrived. The last message in flight comes again when its lease has lapsed.
func settle(t *testing.T, e *ear, s *sender) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		seen := map[string]bool{}
		for _, a := range e.arrivals() {
			seen[a.alert] = true
		}
		missing := ""
		s.acked.Range(func(name, _ any) bool {
			if !seen[name.(string)] {
				missing = name.(string)
			}
			return missing == ""
		})
		if missing == "" {
			return
		}
		select {
		case <-e.news:
		case <-deadline:
			t.Fatalf("the alert %s was answered 200 and nobody was told of it", missing)
		}
	}
}

func judge(t *testing.T, e *ear, s *sender, killed int, addr string) {
	t.Helper()
	byKey, keys := map[string][]arrival{}, map[string]map[string]bool{}
	for _, a := range e.arrivals() {
		byKey[a.key] = append(byKey[a.key], a)
		if keys[a.alert] == nil {
			keys[a.alert] = map[string]bool{}
		}
		keys[a.alert][a.key] = true
	}
	doubled, worst := 0, 0
	for key, all := range byKey {
		worst = max(worst, len(all))
		slices.SortFunc(all, func(a, b arrival) int { return a.attempt - b.attempt })
		for i := 1; i < len(all); i++ {
			doubled++
			if all[i].attempt == all[i-1].attempt || !all[i].repeated {
				t.Errorf("message %s came again as attempt %d after %d without an interruption between", key, all[i].attempt, all[i-1].attempt)
			}
		}
	}
	for alert, k := range keys {
		if len(k) != 1 {
			t.Errorf("alert %s was told of under %d keys: %v", alert, len(k), k)
		}
	}
	if doubled > killed {
		t.Errorf("%d messages came again after %d kills", doubled, killed)
	}
	// The store agrees: one case for each alert that was sent, none of them twice.
	res, err := http.Get("http://" + addr + "/api/v1/counts")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var counts struct {
		Cases  map[string]int
		Firing int
	}
	if err := json.NewDecoder(res.Body).Decode(&counts); err != nil {
		t.Fatal(err)
	}
	if acked := int(s.count.Load()); counts.Cases["new"] < acked || counts.Cases["new"] > int(s.next.Load()) || counts.Firing != counts.Cases["new"] {
		t.Errorf("%d alerts were answered 200 of %d sent; there are %d cases and %d alerts that fire", acked, s.next.Load(), counts.Cases["new"], counts.Firing)
	}
	t.Logf("%d kills, %d alerts answered 200, %d messages, %d repetitions, one message at most %d times", killed, s.count.Load(), len(byKey), doubled, worst)
}

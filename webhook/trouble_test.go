package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/foreshock/foreshock/webhook/store/storetest"
)

// trouble sends one new alert after another and remembers the answers.
type trouble struct {
	t        *testing.T
	addr     string
	next     int
	acked    int         // answered 200
	answers  map[int]int // by status; 0 is none
	maybe    int         // not answered 200, and perhaps stored all the same
	lastCode int
}

func newTrouble(t *testing.T, addr string) *trouble {
	return &trouble{t: t, addr: addr, answers: map[int]int{}}
}

// send posts one alert with so many bytes of prose.
func (x *trouble) send(prose int) int {
	x.t.Helper()
	x.next++
	body := fmt.Sprintf(`{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"A%d","service":"s%d","instance":"i%d"},"annotations":{"d":"%s"},"startsAt":"2026-11-20T11:00:00Z"}]}`,
		x.next, x.next, x.next, strings.Repeat("x", prose))
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Post("http://"+x.addr+"/api/v1/alerts", "application/json", strings.NewReader(body))
	x.lastCode = 0
	if err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		x.lastCode = res.StatusCode
	}
	x.answers[x.lastCode]++
	switch x.lastCode {
	case http.StatusOK:
		x.acked++
	case http.StatusServiceUnavailable, 0:
		x.maybe++
	default:
		x.t.Errorf("a delivery was answered %d: Alertmanager would drop it", x.lastCode)
	}
	return x.lastCode
}

// until sends until the answer is the code.
func (x *trouble) until(code, prose int, what string) {
	x.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); x.send(prose) != code; {
		if time.Now().After(deadline) {
			x.t.Fatalf("%s: never answered %d within a minute; answers %v", what, code, x.answers)
		}
	}
}

// judge makes sure that everything that was answered 200 is there, and nothing that was not sent.
func (x *trouble) judge() {
	x.t.Helper()
	if got := counted(x.t, x.addr); got < x.acked || got > x.acked+x.maybe {
		x.t.Errorf("%d alerts are stored; %d were answered 200, and %d more were sent", got, x.acked, x.maybe)
	}
	x.t.Logf("answers %v, %d alerts stored", x.answers, counted(x.t, x.addr))
}

// The disk is full: 503, never a false 200; when there is room again it goes on by itself, and everything that was answered 200 is there,
// also after a restart.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("a small file system cannot be mounted: this needs root on Linux")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	addr, config := freePort(t), writeConfig(t, fmt.Sprintf("store: {sqlite: %s/w.db}\nchannels: {log: {type: log, level: debug}}\n", dir))
	p := launch(t, addr, config)
	x := newTrouble(t, addr)
	x.until(http.StatusServiceUnavailable, 50_000, "the disk fills up")
	for range 20 { // and stays full
		if code := x.send(50_000); code != http.StatusServiceUnavailable {
			t.Logf("a delivery fitted in after all: %d", code)
		}
	}
	if code, _ := get(t, "http://"+addr+"/-/healthy"); code != http.StatusOK {
		t.Errorf("the process is not healthy: %d", code)
	}
	x.judge()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	x.until(http.StatusOK, 100, "there is room again")
	for range 20 {
		if code := x.send(100); code != http.StatusOK {
			t.Errorf("with room: %d", code)
		}
	}
	x.judge()
	p.kill()
	launch(t, addr, config)
	x.judge()
}

// Another process holds the database for longer than is waited: 503, then it goes on.
func TestDatabaseLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addr, config := freePort(t), writeConfig(t, fmt.Sprintf("store: {sqlite: %s/w.db}\nchannels: {log: {type: log, level: debug}}\n", dir))
	launch(t, addr, config)
	x := newTrouble(t, addr)
	x.until(http.StatusOK, 10, "before")
	other, err := sql.Open("sqlite", "file:"+dir+"/w.db")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 10000"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	x.until(http.StatusServiceUnavailable, 10, "while it is locked")
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	x.until(http.StatusOK, 10, "afterwards")
	x.judge()
}

// PostgreSQL goes away, with all its connections, and comes back: 503 meanwhile, then it goes on.
func TestDatabaseRestart(t *testing.T) {
	t.Parallel()
	database := storetest.Postgres(t)
	addr := freePort(t)
	launch(t, addr, writeConfig(t, fmt.Sprintf("store: {postgres_url: %q}\nchannels: {log: {type: log, level: debug}}\n", database)))
	x := newTrouble(t, addr)
	x.until(http.StatusOK, 10, "before")
	cfg, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	name := cfg.Database
	cfg.Database = "postgres"
	ctx := context.Background()
	admin, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(ctx)
	do := func(query string, args ...any) {
		t.Helper()
		if _, err := admin.Exec(ctx, query, args...); err != nil {
			t.Fatal(err)
		}
	}
	end := func() { do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name) }
	for range 3 {
		do("ALTER DATABASE " + name + " ALLOW_CONNECTIONS false")
		end()
		x.until(http.StatusServiceUnavailable, 10, "while it is away")
		if code, _ := get(t, "http://"+addr+"/-/ready"); code != http.StatusServiceUnavailable {
			t.Errorf("ready without a database: %d", code)
		}
		do("ALTER DATABASE " + name + " ALLOW_CONNECTIONS true")
		x.until(http.StatusOK, 10, "when it is back")
		end() // connections that break while they are idle
		x.until(http.StatusOK, 10, "after its connections broke")
	}
	// A table that somebody holds makes deliveries wait, and loses none.
	holder, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(ctx)
	tx, err := holder.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	released := make(chan error, 1)
	go func() { time.Sleep(time.Second); released <- tx.Rollback(ctx) }()
	x.until(http.StatusOK, 10, "while a table is held")
	if err := <-released; err != nil {
		t.Fatal(err)
	}
	x.judge()
}

// PostgreSQL itself crashes while deliveries come, twice: they are answered 503, "ready" says so, the process goes on by itself when the server is back,
// and everything that was answered 200 is there.
func TestDatabaseCrash(t *testing.T) {
	t.Parallel()
	database := storetest.PostgresAlone(t)
	addr := freePort(t)
	launch(t, addr, writeConfig(t, fmt.Sprintf("store: {postgres_url: %q}\nchannels: {log: {type: log, level: debug}}\n", database.URL("postgres"))))
	ready := func(want int, when string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			code, _ := get(t, "http://"+addr+"/-/ready")
			if code == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: ready answers %d, want %d", when, code, want)
			}
		}
	}
	var senders [3]*trouble
	var wg sync.WaitGroup
	var taken atomic.Int64 // deliveries that were answered 200
	stop := make(chan struct{})
	end := sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
	t.Cleanup(end) // also when the test gives up
	delivering := func() {
		t.Helper()
		want := taken.Load() + 3
		for deadline := time.Now().Add(time.Minute); taken.Load() < want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nothing is delivered")
			}
		}
	}
	for i := range senders {
		x := newTrouble(t, addr)
		x.next = i * 1_000_000 // names of their own
		senders[i] = x
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if x.send(10) == http.StatusOK {
					taken.Add(1)
				} else {
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	for range 2 {
		delivering()
		database.Crash()
		ready(http.StatusServiceUnavailable, "while it is away")
		if err := database.Start(); err != nil {
			t.Fatal(err)
		}
		ready(http.StatusOK, "when it is back")
	}
	delivering()
	end()
	all := newTrouble(t, addr)
	all.next = len(senders) * 1_000_000
	for _, x := range senders {
		for code, n := range x.answers {
			all.answers[code] += n
		}
		all.acked, all.maybe = all.acked+x.acked, all.maybe+x.maybe
	}
	all.until(http.StatusOK, 10, "afterwards")
	all.judge()
	if all.answers[http.StatusServiceUnavailable] == 0 {
		t.Errorf("answers %v show nothing", all.answers)
	}
}

package action_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
	"github.com/foreshock/foreshock/webhook/store"
	"github.com/foreshock/foreshock/webhook/store/storetest"
)

// childEnv tells this test binary to be the process that is killed: its value
// is the store's URL, childLog the file that stands for the outside world.
const (
	childEnv = "FORESHOCK_KILL_CHILD"
	childLog = "FORESHOCK_KILL_LOG"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childEnv); url != "" {
		if err := child(url, os.Getenv(childLog)); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// outside is a channel whose other side is a file: a line that is written has
// been delivered, whatever happens to the sender afterwards.
type outside struct{ f *os.File }

func openOutside(path string) (outside, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return outside{f}, err
}

func (o outside) Sender(string) (action.Sender, bool) { return o, true }

func (o outside) Send(_ context.Context, m cases.Message) (cases.Receipt, error) {
	time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond) // so that kills fall here, too
	_, err := o.f.WriteString(m.Key + "\n")
	time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
	return cases.Receipt{}, err
}

func executor(db *store.DB, o outside) (*action.Executor, error) {
	return action.New(action.Options{
		Queue: db, Senders: o, Handlers: action.Later{Cases: db, Rules: ladder}.Handlers(), Retry: policy.DefaultRetry, Lease: time.Second, Sweep: 100 * time.Millisecond, Poll: 100 * time.Millisecond, Timeout: time.Second,
	})
}

// ladder tells everything once more after a moment, since nobody acknowledges it.
func ladder() policy.Rules {
	r := policy.DefaultRules("slack")
	r.SLA = policy.SLA{}
	r.Escalation.Ladders = []policy.Ladder{{Name: "quick", Steps: []policy.Step{{Wait: policy.Duration(50 * time.Millisecond)}}}}
	return r
}

// child receives deliveries as fast as it can and says which ones it has
// acknowledged, until it is killed.
func child(url, log string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{URL: url})
	if err != nil {
		return err
	}
	o, err := openOutside(log)
	if err != nil {
		return err
	}
	x, err := executor(db, o)
	if err != nil {
		return err
	}
	in := stage.NewIntake(stage.IntakeOptions{
		Chain: stage.Chain{stage.Normalise{}, stage.Dedup{Store: db}, stage.Plan{Rules: func() policy.Rules { return ladder() }}},
		Store: db, Committed: x.Wake,
	})
	go func() { _ = x.Run(ctx) }()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				id := ulid.Make().String()
				d := alert.Delivery{ID: id, Cluster: "prod", Received: time.Now()}
				for k := range 2 {
					l := alert.Labels{"alertname": fmt.Sprint(id, "-", k)}
					d.Message.Alerts = append(d.Message.Alerts, alert.Alert{Status: alert.Firing, Labels: l, StartsAt: d.Received, Fingerprint: l.Fingerprint()})
				}
				if _, err := in.Deliver(ctx, d); err == nil {
					mu.Lock()
					fmt.Println(id)
					mu.Unlock()
				}
				time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
			}
		})
	}
	wg.Wait()
	return nil
}

// testKills kills the process at random points, and lets another go on.
func testKills(t *testing.T, url string, kills int) {
	log := filepath.Join(t.TempDir(), "outside")
	var acknowledged []string
	for range kills {
		acknowledged = append(acknowledged, killed(t, url, log)...)
	}
	db := storetest.Open(t, url)
	drain(t, db, log)
	if len(acknowledged) < kills {
		t.Fatalf("only %d deliveries were acknowledged in %d rounds", len(acknowledged), kills)
	}
	sent := map[string]int{}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	twice := 0
	for key := range strings.Lines(string(b)) {
		if sent[strings.TrimSpace(key)]++; sent[strings.TrimSpace(key)] > 1 {
			twice++
		}
	}
	t.Logf("%d kills, %d deliveries acknowledged, %d messages sent, %d of them twice", kills, len(acknowledged), len(sent), twice)
	if twice > kills { // one message at a time is under way
		t.Errorf("%d messages were sent twice by %d kills", twice, kills)
	}
	lost := 0
	for _, id := range acknowledged {
		for k := range 2 {
			l := alert.Labels{"alertname": fmt.Sprint(id, "-", k)}
			p, err := db.Prior(context.Background(), []alert.Identity{{Cluster: "prod", Fingerprint: l.Fingerprint()}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range p.Alerts {
				if sent[a.CaseID+"/1/opened/slack"] == 0 {
					t.Errorf("alert %s of an acknowledged delivery was never told", l)
				}
				if sent[a.CaseID+"/1/escalated/1/0.0/slack"] == 0 {
					t.Errorf("alert %s of an acknowledged delivery was never escalated", l)
				}
			}
			if len(p.Alerts) != 1 {
				lost++
			}
		}
	}
	if lost > 0 {
		t.Errorf("%d alerts of acknowledged deliveries are lost", lost)
	}
}

// killed runs a child, kills it after a while, and returns what it had
// acknowledged.
func killed(t *testing.T, url, log string) (acknowledged []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+url, childLog+"="+log)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if len(acknowledged) == 0 { // it works: now its time runs
			time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
		if len(lines.Text()) == 26 { // a whole ULID: the last line may be torn
			acknowledged = append(acknowledged, lines.Text())
		}
	}
	_ = cmd.Wait() // killed
	return acknowledged
}

// drain sends what is left.
func drain(t *testing.T, db *store.DB, log string) {
	t.Helper()
	o, err := openOutside(log)
	if err != nil {
		t.Fatal(err)
	}
	x, err := executor(db, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	done := make(chan error)
	go func() { done <- x.Run(ctx) }()
	for {
		n, err := db.Counts(ctx)
		if err != nil {
			t.Fatalf("waiting for the rest: %v", err)
		}
		if n.Actions[cases.Due]+n.Actions[cases.Running]+n.Actions[cases.Retry]+n.Actions[cases.Unknown] == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond) // the database cannot be awaited
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestKillSQLite(t *testing.T) {
	t.Parallel()
	testKills(t, "sqlite://"+filepath.Join(t.TempDir(), "w.db"), 15)
}

func TestKillPostgres(t *testing.T) {
	t.Parallel()
	testKills(t, storetest.Postgres(t), 10)
}

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/foreshock/foreshock/pkg/prom/promtest"
	"github.com/foreshock/foreshock/pkg/series"
)

// binary builds the program once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "foreshock")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "foreshock")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func built(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The process itself ends with the promised codes.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	good := write(t, "good.csv", "timestamp,value\n0,1\n60,2\n")
	bad := write(t, "bad.csv", "timestamp,value\n0,1\n60,two\n")
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"detect", "-q", good}, 0},
		{[]string{"--version"}, 0},
		{[]string{"--help"}, 0},
		{[]string{"detect", bad}, 2},
		{[]string{"detect", "--nope"}, 2},
		{nil, 2},
		{[]string{"detect", "--prometheus.url", "http://127.0.0.1:1", "--query", "up"}, 1},
	} {
		err := exec.Command(built(t), c.args...).Run()
		var exit *exec.ExitError
		code := 0
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != c.want {
			t.Errorf("%v: exit code %d, want %d", c.args, code, c.want)
		}
	}
}

// scorerProcess is `foreshock score` as a process.
type scorerProcess struct {
	url  string
	cmd  *exec.Cmd
	mu   sync.Mutex
	log  bytes.Buffer
	done chan struct{}
}

var listening = regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`)

func startScorer(t *testing.T, args ...string) *scorerProcess {
	t.Helper()
	p := &scorerProcess{cmd: exec.Command(built(t), append([]string{"score", "--web.listen-address", "127.0.0.1:0"}, args...)...), done: make(chan struct{})}
	errs, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(errs); lines.Scan(); {
			p.mu.Lock()
			p.log.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case address <- m[1]:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Log(p.logged())
		}
	})
	select {
	case a := <-address:
		p.url = "http://" + a
	case <-p.done:
		t.Fatalf("the scorer ended: %s", p.logged())
	case <-time.After(time.Minute):
		t.Fatalf("the scorer does not listen: %s", p.logged())
	}
	return p
}

func (p *scorerProcess) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// get asks a path and returns status and body.
func (p *scorerProcess) get(t *testing.T, method, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// until asks again until the condition holds.
func (p *scorerProcess) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute: %s", what, p.logged())
		}
	}
}

// metrics returns what is published, by name and labels.
func (p *scorerProcess) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	_, body := p.get(t, http.MethodGet, "/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			out[name+labelled(m)] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return out
}

func labelled(m *dto.Metric) string {
	ls := map[string]string{}
	for _, p := range m.Label {
		ls[p.GetName()] = p.GetValue()
	}
	return series.FromMap(ls).String()
}

// backfill writes ten days up to now of some services to a real Prometheus; the first has just shifted.
func backfill(t *testing.T) *promtest.Server {
	t.Helper()
	server := promtest.Start(t)
	now := time.Now().UnixMilli()
	grid := series.GridOver(now-10*86_400_000, now, 60_000)
	var members []series.Series
	for k := range 3 {
		rng := rand.New(rand.NewPCG(uint64(k), 2))
		s := series.New(series.FromMap(map[string]string{"__name__": "requests", "service": fmt.Sprint("s", k)}), grid)
		for i := range s.Values {
			s.Values[i] = 100 + 30*math.Sin(2*math.Pi*float64(i%1440)/1440) + 3*rng.NormFloat64()
			if k == 0 && i > grid.N-30 {
				s.Values[i] += 90
			}
		}
		members = append(members, s)
	}
	server.Write(t, members...)
	return server
}

// The chain of a scorer over a real Prometheus: what it publishes is what `foreshock detect` says of the same samples; a broken file is
// refused and the old one stays; a signal ends it.
func TestScoreEndToEnd(t *testing.T) {
	t.Parallel()
	server := backfill(t)
	file := write(t, "detectors.yml", "prometheus: {url: '"+server.URL+"'}\nrules:\n- {name: requests, expr: 'requests', labels: {team: shop}}\n")
	check := foreshock(t, "", "check", file, "--prometheus.url", server.URL)
	if check.code != 0 || !strings.Contains(check.out, "SUCCESS: 1 rules") || !strings.Contains(check.out, "series: 3") {
		t.Errorf("check: got %d, %s%s", check.code, check.out, check.errors)
	}
	once := foreshock(t, "", "score", "--once", "--config.file", file, "--log.level", "error")
	if once.code != 0 || !strings.Contains(once.out, `foreshock_anomalous{rule="requests",service="s0",team="shop"} 1`) {
		t.Errorf("--once: got %d, %s%s", once.code, once.out, once.errors)
	}
	p := startScorer(t, "--config.file", file, "--replica", "a")
	p.until(t, "ready", func() bool { code, _ := p.get(t, http.MethodGet, "/-/ready"); return code == http.StatusOK })
	got := p.metrics(t)
	at := int64(got[`foreshock_scorer_rule_last_evaluation_timestamp_seconds{rule="requests"}`])
	if at == 0 {
		t.Fatalf("no evaluation: %s", p.logged())
	}
	compareWithDetect(t, server, got, at)
	if got[`foreshock_anomalous{replica="a", rule="requests", service="s0", team="shop"}`] != 1 {
		t.Error("the shift is not found")
	}
	_, body := p.get(t, http.MethodGet, "/metrics")
	if problems, err := promlint.New(strings.NewReader(body)).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	reloads(t, p, file)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func compareWithDetect(t *testing.T, server *promtest.Server, got map[string]float64, at int64) {
	t.Helper()
	moment := strconv.FormatInt(at, 10)
	one := foreshock(t, "", "detect", "--prometheus.url", server.URL, "--query", "requests", "--from", moment, "--to", moment, "-q")
	rows := records(t, one.out)
	if one.code != 0 || len(rows) != 3 {
		t.Fatalf("detect: got %d, %s%s", one.code, one.out, one.errors)
	}
	for i, r := range rows { // series,timestamp,value,expected,lower,upper,score,onset,anomalous,state
		labels := fmt.Sprintf(`{replica="a", rule="requests", service="s%d", team="shop"}`, i)
		for column, family := range map[int]string{3: "foreshock_expected", 4: "foreshock_lower", 5: "foreshock_upper", 6: "foreshock_score", 8: "foreshock_anomalous"} {
			want, err := strconv.ParseFloat(r[column], 64)
			if err != nil {
				t.Fatal(err)
			}
			if x, ok := got[family+labels]; !ok || math.Abs(x-want) > 1e-12*math.Max(1, math.Abs(want)) {
				t.Errorf("%s%s: got %v, %v, want %v as detect says", family, labels, x, ok, want)
			}
		}
	}
}

func reloads(t *testing.T, p *scorerProcess, file string) {
	t.Helper()
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("rules: [{name: x, exprr: up}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, body := p.get(t, http.MethodPost, "/-/reload")
	if code != http.StatusBadRequest || !strings.Contains(body, `unknown field "exprr"`) {
		t.Errorf("a broken file: got %d, %s", code, body)
	}
	const ok = "foreshock_config_last_reload_successful{}"
	got := p.metrics(t)
	if _, old := got[`foreshock_score{replica="a", rule="requests", service="s1", team="shop"}`]; got[ok] != 0 || !old {
		t.Errorf("after a broken file: got %v, and a score: %v; want 0, and the old rule in force", got[ok], old)
	}
	renamed := strings.Replace(string(good), "name: requests", "name: renamed", 1)
	if err := os.WriteFile(file, []byte(renamed), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.until(t, "the renamed rule", func() bool {
		got := p.metrics(t)
		_, old := got[`foreshock_score{replica="a", rule="requests", service="s1", team="shop"}`]
		_, now := got[`foreshock_score{replica="a", rule="renamed", service="s1", team="shop"}`]
		return got[ok] == 1 && now && !old
	})
}

// A PromQL range has one row per time and series, and bad PromQL is the caller's mistake.
func TestDetectQuery(t *testing.T) {
	t.Parallel()
	server := backfill(t)
	got := foreshock(t, "", "detect", "--prometheus.url", server.URL, "--query", `requests{service="s0"}`, "--from", "now-2h", "--to", "now")
	rows := records(t, got.out)
	if got.code != 0 || len(rows) < 120 || len(rows) > 121 {
		t.Fatalf("got %d, %d rows, %s", got.code, len(rows), got.errors)
	}
	last := rows[len(rows)-1]
	if last[7] != "1" || last[8] != "ok" {
		t.Errorf("the newest row is %v, want an anomaly", last)
	}
	bad := foreshock(t, "", "detect", "--prometheus.url", server.URL, "--query", "sum(", "--from", "now-1h")
	if bad.code != 2 || !strings.Contains(bad.errors, "--query") {
		t.Errorf("bad PromQL: got %d, %s", bad.code, bad.errors)
	}
	none := foreshock(t, "", "detect", "--prometheus.url", server.URL, "--query", "nothing_here", "--from", "now-1h")
	if none.code != 2 || !strings.Contains(none.errors, "holds no series") {
		t.Errorf("no series: got %d, %s", none.code, none.errors)
	}
}

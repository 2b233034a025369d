package lokitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// realEnv names the program of a Grafana Loki. With it every Server stands before that Loki, one for all tests of a process and a tenant for each
// Server: lines are pushed to it and questions are passed on to it. What trouble there is and who may ask is played here all the same.
const realEnv = "FORESHOCK_LOKI"

// realLoki is the process, started by the first test that asks.
var realLoki struct {
	sync.Once
	address string
	err     error
	tenants atomic.Int64
}

// realConfig keeps everything in a folder and in memory for two days, takes lines of any age, and is otherwise as Loki comes.
const realConfig = `auth_enabled: true
server: {http_listen_address: 127.0.0.1, http_listen_port: %d, grpc_listen_address: 127.0.0.1, grpc_listen_port: %d, log_level: error}
common:
  instance_addr: 127.0.0.1
  path_prefix: %[3]s
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
  storage: {filesystem: {chunks_directory: %[3]s/chunks, rules_directory: %[3]s/rules}}
schema_config:
  configs: [{from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}]
limits_config: {reject_old_samples: false}
querier: {query_ingesters_within: 0s}
ingester: {chunk_idle_period: 48h, max_chunk_age: 48h, flush_check_period: 1h}
analytics: {reporting_enabled: false}
`

func startReal(program string) (string, error) {
	var ports [2]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return "", err
		}
	}
	dir, err := os.MkdirTemp("", "loki")
	if err != nil {
		return "", err
	}
	config := filepath.Join(dir, "loki.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, realConfig, ports[0], ports[1], dir), 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command(program, "-config.file="+config)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = endsWithTests()
	if err := cmd.Start(); err != nil {
		return "", err
	}
	address := "http://127.0.0.1:" + strconv.Itoa(ports[0])
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(200 * time.Millisecond) {
		if err := push(address, "probe", []Line{{At: time.Now(), Labels: map[string]string{"a": "b"}, Text: "x"}}); err == nil && answers(address) {
			return address, nil
		}
	}
	return "", fmt.Errorf("%s takes no lines within a minute", program)
}

// answers reports whether a question is answered soon.
func answers(address string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/loki/api/v1/query?query="+url.QueryEscape(`sum(rate({a="b"}[1m]))`), nil)
	if err != nil {
		return false
	}
	req.Header.Set("X-Scope-OrgID", "probe")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // its status says all
	return resp.StatusCode == http.StatusOK
}

// push stores lines, which must be in order of time.
func push(address, tenant string, lines []Line) error {
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][2]string       `json:"values"`
	}
	var streams []*stream
	at := map[string]*stream{}
	for _, l := range lines {
		key := fmt.Sprint(l.Labels)
		if at[key] == nil {
			at[key] = &stream{Stream: l.Labels}
			streams = append(streams, at[key])
		}
		at[key].Values = append(at[key].Values, [2]string{strconv.FormatInt(l.At.UnixNano(), 10), l.Text})
	}
	body, err := json.Marshal(map[string]any{"streams": streams})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address+"/loki/api/v1/push", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Scope-OrgID", tenant)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("push to Loki: %s: %s", resp.Status, text)
	}
	return nil
}

// Now is the time that a test takes for the present: the given one, or, before a real Loki, which finds lines of long ago only once it has stored them, the
// last full hour but one at the earliest.
func Now(given time.Time) time.Time {
	if os.Getenv(realEnv) == "" {
		return given
	}
	return time.Now().Add(-time.Hour).Truncate(time.Hour).UTC() // on any grid
}

// behind makes the server stand before the real Loki, where there is one.
func (s *Server) behind(t testing.TB) {
	t.Helper()
	program := os.Getenv(realEnv)
	if program == "" {
		return
	}
	realLoki.Do(func() { realLoki.address, realLoki.err = startReal(program) })
	if realLoki.err != nil {
		t.Fatal(realLoki.err)
	}
	target, err := url.Parse(realLoki.address)
	if err != nil {
		t.Fatal(err)
	}
	s.tenant = fmt.Sprintf("tenant-%d-%d", os.Getpid(), realLoki.tenants.Add(1))
	s.store = func(lines []Line) {
		if err := push(realLoki.address, s.tenant, lines); err != nil {
			t.Error(err)
		}
	}
	s.real = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Set("X-Scope-OrgID", s.tenant)
		r.Out.Header.Del("Authorization")
	}}
}

package collector

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// maxAnswer bounds what is read of one answer of a runtime: a list of thousands of containers is a few megabytes.
	maxAnswer = 32 << 20
	// inspectAfter is how old the details of a container may get while its line in the list does not change.
	inspectAfter = time.Minute
	// maxInspects bounds the containers whose details are asked for in one go; the others have their turn at the next.
	maxInspects = 50
)

// docker asks a daemon that speaks Docker's API (https://docs.docker.com/reference/api/engine/), as podman does too, by plain HTTP over its socket.
type docker struct {
	client  *http.Client
	keep    []string // the labels of containers that are wanted
	details map[string]dockerDetails
	now     func() time.Time
}

// dockerDetails are what the list of containers lacks.
type dockerDetails struct {
	restarts int
	started  time.Time
	state    string // as in the list when they were asked for
	asked    time.Time
}

func newDocker(socket string, keep []string, now func() time.Time) *docker {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		MaxIdleConns: 1, IdleConnTimeout: time.Minute, DisableCompression: true,
	}
	return &docker{client: &http.Client{Transport: transport}, keep: keep, details: map[string]dockerDetails{}, now: now}
}

func (d *docker) close() { d.client.CloseIdleConnections() }

// dockerContainer is one line of /containers/json.
type dockerContainer struct {
	ID      string `json:"Id"`
	Names   []string
	Image   string
	Labels  map[string]string
	State   string // "running", "exited", …
	Status  string // "Up 2 hours (healthy)"
	Created int64
}

// list returns every container, stopped ones too.
func (d *docker) list(ctx context.Context) ([]containerInfo, error) {
	var lines []dockerContainer
	if err := d.get(ctx, "/containers/json?all=1", &lines); err != nil {
		return nil, err
	}
	out := make([]containerInfo, 0, len(lines))
	details := make(map[string]dockerDetails, len(lines))
	asked := 0
	for _, c := range lines {
		if len(out) == maxRuntimeContainers {
			break
		}
		known, ok := d.details[c.ID]
		if (!ok || known.state != c.State || d.now().Sub(known.asked) >= inspectAfter) && asked < maxInspects {
			asked++
			if fresh, err := d.inspect(ctx, c); err == nil {
				known, ok = fresh, true
			}
		}
		if ok {
			details[c.ID] = known
		}
		i := c.info(known, ok)
		for _, key := range d.keep {
			i.labels = append(i.labels, c.Labels[key])
		}
		out = append(out, i)
	}
	d.details = details
	return out, nil
}

func (c dockerContainer) info(known dockerDetails, ok bool) containerInfo {
	i := containerInfo{
		id: c.ID, image: c.Image, running: c.State == "running" || c.State == "paused", hasState: true, restarts: -1, created: time.Unix(c.Created, 0),
		health: healthOf(c.Status), pod: c.Labels["io.kubernetes.pod.name"], namespace: c.Labels["io.kubernetes.pod.namespace"], podUID: c.Labels["io.kubernetes.pod.uid"],
		container: c.Labels["io.kubernetes.container.name"],
	}
	for _, n := range c.Names { // links give a container more names: "/web", "/other/alias"
		if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
			i.name = n
			break
		}
	}
	if ok {
		i.restarts, i.started = known.restarts, known.started
	}
	return i
}

// healthOf reads the health check's result from the status that Docker writes for people.
func healthOf(status string) string {
	switch {
	case strings.HasSuffix(status, "(healthy)"):
		return "healthy"
	case strings.HasSuffix(status, "(unhealthy)"):
		return "unhealthy"
	case strings.HasSuffix(status, "(health: starting)"), strings.HasSuffix(status, "(starting)"):
		return "starting"
	}
	return ""
}

func (d *docker) inspect(ctx context.Context, c dockerContainer) (dockerDetails, error) {
	var answer struct {
		RestartCount int
		State        struct{ StartedAt time.Time }
	}
	if err := d.get(ctx, "/containers/"+c.ID+"/json", &answer); err != nil {
		return dockerDetails{}, err
	}
	return dockerDetails{restarts: answer.RestartCount, started: answer.State.StartedAt, state: c.State, asked: d.now()}, nil
}

func (d *docker) get(ctx context.Context, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, nil)
	if err != nil {
		return fmt.Errorf("asking for %s: %w", path, err)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking for %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	body := io.LimitReader(resp.Body, maxAnswer)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for %s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("asking for %s: %w", path, err)
	}
	_, _ = io.Copy(io.Discard, body) // so that the connection can be used again
	return nil
}

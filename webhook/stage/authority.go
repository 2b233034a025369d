package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Alertmanagers is an Authority over HTTP: it asks GET /api/v2/alerts of all of
// the cluster's Alertmanagers at once. One that says firing is believed, since
// the others may have been cut off; over is what all of them must say.
type Alertmanagers struct {
	URLs map[string][]string // by cluster, e.g. "default": {"http://am-0:9093"}
	HTTP *http.Client        // with a timeout; nil: one of 3 s
}

// asking bounds how many Alertmanagers of a cluster are asked at once.
const asking = 8

// fewAlerts are asked for one by one, more by one request for everything.
const fewAlerts = 4

// classic label names need no quotes in a filter.
var classic = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// maxAnswer bounds an answer: 30,000 alerts of 4 KB.
const maxAnswer = 128 << 20

// Firing asks whether each alert is active now. Silenced and inhibited alerts
// fire, too. The error names every Alertmanager that gave no answer.
func (m Alertmanagers) Firing(ctx context.Context, cluster string, alerts []alert.Alert) ([]bool, error) {
	urls := m.URLs[cluster]
	if len(urls) == 0 {
		return nil, errNoAuthority
	}
	got, errs := make([][]bool, len(urls)), make([]error, len(urls))
	var g errgroup.Group
	g.SetLimit(asking)
	for i, u := range urls {
		g.Go(func() error {
			if got[i], errs[i] = m.askOne(ctx, u, alerts); errs[i] != nil {
				errs[i] = fmt.Errorf("ask Alertmanager %d of %s: %w", i+1, cluster, errs[i])
			}
			return nil // one that fails must not stop the others
		})
	}
	_ = g.Wait()
	firing := make([]bool, len(alerts))
	for _, one := range got {
		for i, f := range one {
			firing[i] = firing[i] || f
		}
	}
	return firing, errors.Join(errs...)
}

func (m Alertmanagers) askOne(ctx context.Context, base string, alerts []alert.Alert) ([]bool, error) {
	active := map[string]bool{}
	if len(alerts) > fewAlerts {
		if err := m.fetch(ctx, base, nil, active); err != nil {
			return nil, err
		}
	} else {
		for _, a := range alerts {
			if err := m.fetch(ctx, base, a.Labels, active); err != nil {
				return nil, err
			}
		}
	}
	out := make([]bool, len(alerts))
	for i, a := range alerts {
		out[i] = active[a.Fingerprint]
	}
	return out, nil
}

// fetch adds the fingerprints of the active alerts with these labels.
func (m Alertmanagers) fetch(ctx context.Context, base string, labels alert.Labels, active map[string]bool) error {
	q := url.Values{}
	for _, n := range labels.Names() {
		// What Alertmanagers, or older ones, cannot parse is left out: the
		// fingerprint decides anyway.
		if value, ok := quoted(labels[n]); ok && classic.MatchString(n) {
			q.Add("filter", n+"="+value)
		}
	}
	u := strings.TrimRight(base, "/") + "/api/v2/alerts?" + q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return errors.New("its URL is not valid")
	}
	client := m.HTTP
	if client == nil {
		client = &http.Client{Timeout: 3 * time.Second}
	}
	resp, err := client.Do(req)
	if err != nil {
		var ue *url.Error // its text holds the URL, and with it perhaps a password
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s", resp.Status)
	}
	var got []struct {
		Fingerprint string `json:"fingerprint"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&got); err != nil {
		return fmt.Errorf("its answer cannot be read: %w", err)
	}
	for _, a := range got {
		active[a.Fingerprint] = true
	}
	return nil
}

// quoted is a label's value as a filter holds it. Alertmanager knows the escapes
// \n, \" and \\ alone, and takes all others literally: false for a value that
// needs one of those.
func quoted(value string) (string, bool) {
	q := strconv.Quote(value)
	for i := 0; i < len(q); i++ {
		if q[i] != '\\' {
			continue
		}
		if i++; !strings.ContainsRune(`n"\`, rune(q[i])) {
			return "", false
		}
	}
	return q, true
}

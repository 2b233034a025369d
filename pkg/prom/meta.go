package prom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Lookup narrows a question for names. The zero value asks for everything that the server has.
type Lookup struct {
	From, To int64    // Unix milliseconds; 0 = the server's default
	Match    []string // series selectors, any of which must match
	Limit    int      // of names given back; 0 = all. Servers since 3.0 apply it, too
}

func (l Lookup) params() url.Values {
	p := url.Values{}
	if l.From != 0 {
		p.Set("start", formatTime(l.From))
	}
	if l.To != 0 {
		p.Set("end", formatTime(l.To))
	}
	for _, m := range l.Match {
		p.Add("match[]", m)
	}
	if l.Limit > 0 {
		p.Set("limit", strconv.Itoa(l.Limit))
	}
	return p
}

// LabelNames gives the names of labels, sorted. Errors are *Error, here and below.
func (c *Client) LabelNames(ctx context.Context, l Lookup) ([]string, error) {
	return c.names(ctx, call{path: "/api/v1/labels", params: l.params()}, l.Limit)
}

// LabelValues gives the values of a label, sorted.
func (c *Client) LabelValues(ctx context.Context, name string, l Lookup) ([]string, error) {
	if name == "" {
		return nil, &Error{Kind: KindBadQuery, Text: "the name of the label is empty"}
	}
	if !model.LegacyValidation.IsValidLabelName(name) { // since 3.0; names of the old kind are the same escaped or not
		name = model.EscapeName(name, model.ValueEncodingEscaping)
	}
	q := call{path: "/api/v1/label/" + url.PathEscape(name) + "/values", method: http.MethodGet, params: l.params()}
	return c.names(ctx, q, l.Limit)
}

// SeriesNames gives the names of metrics that begin with prefix, sorted.
func (c *Client) SeriesNames(ctx context.Context, prefix string, l Lookup) ([]string, error) {
	if prefix != "" {
		l.Match = append(slices.Clone(l.Match), fmt.Sprintf(`{__name__=~%q}`, regexp.QuoteMeta(prefix)+".*"))
	}
	names, err := c.LabelValues(ctx, model.MetricNameLabel, l)
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, prefix) }), err
}

// Metadata is what a target told about a metric.
type Metadata struct {
	Type string `json:"type"` // "counter", "gauge", "histogram", "summary", …, "unknown"
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// Metadata gives what is known about metrics: about one, or about all when metric is "". The first entry of a metric is
// taken where targets disagree. It is empty for servers that keep none, such as VictoriaMetrics 1.79.
func (c *Client) Metadata(ctx context.Context, metric string) (map[string]Metadata, error) {
	params := url.Values{}
	if metric != "" {
		params.Set("metric", metric)
	}
	var data map[string][]Metadata
	if _, err := c.get(ctx, call{path: "/api/v1/metadata", method: http.MethodGet, params: params}, &data); err != nil {
		return nil, err
	}
	out := make(map[string]Metadata, len(data))
	for name, entries := range data {
		if len(entries) > 0 {
			out[name] = entries[0]
		}
	}
	return out, nil
}

// Build is what a server tells about itself.
type Build struct {
	Version  string        // "2.42.0"; "" when it tells none, as VictoriaMetrics 1.79
	Skew     time.Duration // its clock minus ours, to about a second; 0 when it sends no date
	HasClock bool          // whether Skew was measured
}

// BuildInfo gives the server's version and how far its clock is off. A server without the endpoint that answers queries
// has an empty version.
func (c *Client) BuildInfo(ctx context.Context) (Build, error) {
	began := time.Now()
	var data struct {
		Version string `json:"version"`
	}
	header, err := c.get(ctx, call{path: "/api/v1/status/buildinfo", method: http.MethodGet}, &data)
	if kind(err) == KindNotPrometheus {
		if _, failed := c.Instant(ctx, "vector(1)", time.Now().UnixMilli()); failed != nil {
			return Build{}, failed
		}
		return Build{}, nil
	}
	if err != nil {
		return Build{}, err
	}
	b := Build{Version: data.Version}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		// The header is cut to whole seconds: half a second is right on average. The answer was given between then and now.
		middle := began.Add(time.Since(began) / 2)
		b.HasClock, b.Skew = true, date.Add(500*time.Millisecond).Sub(middle)
	}
	return b, nil
}

// Runtime is what a server tells about its operation.
type Runtime struct {
	Retention time.Duration // how far back its history reaches at most; 0 = unknown or without limit of time
	Sized     bool          // whether history is also deleted for its size
}

// RuntimeInfo gives the storage retention. A server without the endpoint (VictoriaMetrics, Thanos) has the zero value.
func (c *Client) RuntimeInfo(ctx context.Context) (Runtime, error) {
	var data struct {
		Retention string `json:"storageRetention"`
	}
	_, err := c.get(ctx, call{path: "/api/v1/status/runtimeinfo", method: http.MethodGet, aside: true}, &data)
	if k := kind(err); k == KindNotPrometheus || k == KindBadQuery {
		return Runtime{}, nil
	}
	keep, sized := parseRetention(data.Retention)
	return Runtime{Retention: keep, Sized: sized}, err
}

// parseRetention reads "15d", "15d or 10GiB", "10GiB", "0s".
func parseRetention(text string) (keep time.Duration, sized bool) {
	for part := range strings.SplitSeq(text, " or ") {
		part = strings.TrimSpace(part)
		if d, err := model.ParseDuration(part); err == nil {
			keep = time.Duration(d)
		} else if part != "" {
			sized = true
		}
	}
	return keep, sized
}

// kind is that of an *Error, 0 for anything else.
func kind(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// names asks for a list of strings.
func (c *Client) names(ctx context.Context, q call, limit int) ([]string, error) {
	var names []string
	if _, err := c.get(ctx, q, &names); err != nil {
		return nil, err
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if limit > 0 && len(names) > limit {
		names = names[:limit]
	}
	return names, nil
}

// maxMetaWire bounds answers that are decoded as a whole: 64 MiB is the metadata of some 400,000 metrics.
const maxMetaWire = 64 << 20

// get decodes the data of an answer that is not samples into data, and gives the answer's header.
func (c *Client) get(ctx context.Context, q call, data any) (http.Header, error) {
	var header http.Header
	q.wire = maxMetaWire
	err := c.read(ctx, q, func(r *http.Response, body io.Reader) error {
		header = r.Header
		var a struct {
			Status    string          `json:"status"`
			ErrorType string          `json:"errorType"`
			Error     string          `json:"error"`
			Message   string          `json:"message"`
			Data      json.RawMessage `json:"data"`
		}
		if err := json.NewDecoder(body).Decode(&a); err != nil {
			return err
		}
		if a.Error == "" {
			a.Error = a.Message
		}
		if err := c.checkHead(r, head{status: a.Status, errorType: a.ErrorType, message: a.Error}, ""); err != nil {
			return err
		}
		if len(a.Data) == 0 || string(a.Data) == "null" {
			return nil
		}
		return json.Unmarshal(a.Data, data)
	})
	return header, err
}

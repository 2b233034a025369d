package prom

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/foreshock/foreshock/pkg/series"
)

// Vector is what an instant query gave: one sample per series, sorted by labels. A scalar is one sample without labels.
// A NaN here is a value that the server gave, not a gap.
type Vector struct {
	Samples  []Sample
	Warnings []string
	Infos    []string
	Notices  []Notice
}

// Sample is the value of a series at a time, in Unix milliseconds.
type Sample struct {
	Labels series.Labels
	Time   int64
	Value  float64
}

// Instant evaluates expr, an instant vector or a scalar, at time t. Errors are *Error.
func (c *Client) Instant(ctx context.Context, expr string, t int64) (Vector, error) {
	return c.instant(ctx, call{}, expr, t)
}

func (c *Client) instant(ctx context.Context, q call, expr string, t int64) (Vector, error) {
	if err := checkQuery(expr); err != nil {
		return Vector{}, err
	}
	q.path, q.params = "/api/v1/query", url.Values{"query": {expr}, "time": {formatTime(t)}}
	var v Vector
	err := c.read(ctx, q, func(resp *http.Response, body io.Reader) error {
		d := vectorDecoder{scanner: newScanner(body), limit: c.limits.MaxSeries}
		h, err := d.head(d.result)
		if err != nil {
			return err
		}
		if h.status == "success" && (h.resultType == "matrix" || h.resultType == "string") {
			return &Error{
				Kind: KindBadQuery, Status: resp.StatusCode,
				Text: fmt.Sprintf("the query gives a %s: want an instant vector or a scalar", map[string]string{"matrix": "range vector", "string": "string"}[h.resultType]),
			}
		}
		if err := c.checkHead(resp, h, "vector", "scalar"); err != nil {
			return err
		}
		v, err = d.vector(c.limits)
		v.Warnings, v.Infos = h.remarks.warnings, h.remarks.infos
		return err
	})
	return v, err
}

// vectorDecoder decodes an instant answer and keeps the first limit series by labels.
type vectorDecoder struct {
	*scanner
	limit      int
	samples    []Sample
	cut        bool
	histograms int
	scalarTime int64
	scalarText string // of a scalar or a string: its type may come later
	isScalar   bool
}

func (d *vectorDecoder) result() error {
	if err := d.expect('['); err != nil {
		return err
	}
	if c, err := d.peek(); err != nil {
		return err
	} else if c != '{' && c != ']' {
		t, text, err := d.pair()
		d.isScalar, d.scalarTime, d.scalarText = true, t, string(text)
		if err != nil {
			return err
		}
		return d.expect(']')
	}
	return d.items(']', d.element)
}

func (d *vectorDecoder) element() error {
	var one Sample
	has := false
	err := d.object(func(key string) (err error) {
		switch key {
		case "metric":
			one.Labels, err = d.labels()
		case "value":
			has = true
			one.Time, one.Value, err = d.sample()
		case "histogram":
			d.histograms++
			err = d.skip()
		default:
			err = d.skip()
		}
		return err
	})
	if err != nil || !has {
		return err
	}
	d.samples = append(d.samples, one)
	if len(d.samples) >= 2*d.limit+1 {
		d.trim()
	}
	return nil
}

// trim keeps the first samples by labels.
func (d *vectorDecoder) trim() {
	slices.SortStableFunc(d.samples, func(a, b Sample) int { return a.Labels.Compare(b.Labels) })
	if len(d.samples) > d.limit {
		clear(d.samples[d.limit:])
		d.samples, d.cut = d.samples[:d.limit], true
	}
}

// vector is called when the answer is known to be a vector or a scalar.
func (d *vectorDecoder) vector(limits Limits) (Vector, error) {
	if d.isScalar {
		value, err := parseValue([]byte(d.scalarText))
		return Vector{Samples: []Sample{{Time: d.scalarTime, Value: value}}}, err
	}
	d.trim()
	v := Vector{Samples: d.samples}
	if d.cut {
		v.Notices = append(v.Notices, cutNotice(NoticeSeriesCut, len(d.samples), limits))
	}
	if d.histograms > 0 {
		v.Notices = append(v.Notices, histogramNotice(d.histograms))
	}
	return v, nil
}

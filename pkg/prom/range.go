package prom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/foreshock/foreshock/pkg/series"
)

// maxPoints per series is what Prometheus answers at most for one range query.
const maxPoints = 11_000

// Range evaluates expr at every time of the grid, which must lie on multiples of its step. Grids longer than 11,000 points
// are asked in parts at once and stitched; expressions that depend on the range of their query (@ start(), @ end()) mean
// something else then. A grid without points gives an empty answer. Errors are *Error; an answer that was cut by a limit is
// no error but has a notice.
func (c *Client) Range(ctx context.Context, expr string, grid series.Grid) (Answer, error) {
	if err := checkQuery(expr); err != nil {
		return Answer{}, err
	}
	switch {
	case grid.N <= 0:
		return Answer{Set: series.Set{Grid: grid}}, nil
	case grid.Step <= 0 || series.Floor(grid.Start, grid.Step) != grid.Start:
		return Answer{}, &Error{Kind: KindBadQuery, Text: fmt.Sprintf("the range starts at %d ms with a step of %d ms: want a positive step, and a start that is a multiple of it", grid.Start, grid.Step)}
	case memberCost(nil, grid.N) > c.limits.MaxBytes:
		return Answer{}, &Error{Kind: KindTooManySamples, Text: fmt.Sprintf("one series of %d samples does not fit into %d bytes: ask for a shorter range or a longer step", grid.N, c.limits.MaxBytes)}
	}
	acc := &accumulator{grid: grid, limits: c.limits}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.limits.MaxConcurrent)
	for part := 0; part*maxPoints < grid.N; part++ {
		group.Go(func() error { return c.rangePart(ctx, expr, acc, part) })
	}
	if err := group.Wait(); err != nil {
		return Answer{}, err
	}
	return acc.answer(), nil
}

func checkQuery(expr string) error {
	if strings.TrimSpace(expr) == "" {
		return &Error{Kind: KindBadQuery, Text: "the query is empty: want a PromQL expression"}
	}
	return nil
}

// rangePart fetches the numbered run of maxPoints of the accumulator's grid into it.
func (c *Client) rangePart(ctx context.Context, expr string, acc *accumulator, part int) error {
	if err := ctx.Err(); err != nil { // another part failed: do not even wait for a slot
		return c.transportError(ctx, err)
	}
	from := part * maxPoints
	grid := acc.grid.Slice(from, min(from+maxPoints, acc.grid.N))
	params := url.Values{
		"query": {expr}, "start": {formatTime(grid.Start)}, "end": {formatTime(grid.At(grid.N - 1))}, "step": {formatStep(grid.Step)},
	}
	return c.read(ctx, call{path: "/api/v1/query_range", params: params}, func(resp *http.Response, body io.Reader) error {
		d := matrixDecoder{scanner: newScanner(body), acc: acc, part: part, from: from, grid: grid}
		h, err := d.head(d.result)
		if err != nil {
			return err
		}
		acc.addRemarks(h.remarks)
		return c.checkHead(resp, h, "matrix")
	})
}

// checkHead turns an answer that is not a success of the wanted type into an error.
func (c *Client) checkHead(resp *http.Response, h head, want ...string) error {
	if h.status == "error" || resp.StatusCode/100 != 2 {
		return c.apiError(resp.StatusCode, h.errorType, h.message)
	}
	if h.status != "success" {
		return errors.New(`it has no status "success"`)
	}
	for _, w := range want {
		if h.resultType == w {
			return nil
		}
	}
	return fmt.Errorf("its result type is %.40q, not %s", h.resultType, strings.Join(want, " or "))
}

// matrixDecoder decodes one part of a range answer into the accumulator.
type matrixDecoder struct {
	*scanner
	acc   *accumulator
	part  int
	from  int         // index of the part's first sample in the accumulator's grid
	grid  series.Grid // of the part
	waste []float64   // where the samples of series that are cut go
}

func (d *matrixDecoder) result() error {
	return d.array(func() error {
		if c, err := d.peek(); err != nil || c != '{' { // a scalar or a string: its type is complained about
			if err != nil {
				return err
			}
			return d.skip()
		}
		return d.element()
	})
}

// element reads one series, whatever the order of its keys.
func (d *matrixDecoder) element() error {
	var labels series.Labels
	var early []float64 // values that came before the labels
	histogram := false
	err := d.object(func(key string) (err error) {
		switch key {
		case "metric":
			labels, err = d.labels()
		case "values":
			early, err = d.values(labels)
		case "histograms":
			err = d.array(func() error { histogram = true; return d.skip() })
		default:
			err = d.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if early != nil {
		dst, err := d.destination(labels)
		if err != nil {
			return err
		}
		copy(dst, early)
	}
	if histogram {
		d.acc.addHistogram(labels)
	}
	return nil
}

// values reads samples to where they belong; when the labels are not known yet it returns them instead.
func (d *matrixDecoder) values(labels series.Labels) (early []float64, err error) {
	if err := d.expect('['); err != nil {
		return nil, err
	}
	if c, err := d.peek(); err != nil {
		return nil, err
	} else if c == ']' {
		d.pos++
		return nil, nil
	}
	var dst []float64
	if labels == nil {
		early = make([]float64, d.grid.N)
		for i := range early {
			early[i] = math.NaN()
		}
		dst = early
	} else if dst, err = d.destination(labels); err != nil {
		return nil, err
	}
	return early, d.samples(dst, d.grid)
}

// destination is the part's range of the series' values.
func (d *matrixDecoder) destination(labels series.Labels) ([]float64, error) {
	all, err := d.acc.values(labels, d.part)
	if err != nil {
		return nil, err
	}
	if all == nil {
		if d.waste == nil {
			d.waste = make([]float64, d.grid.N)
		}
		return d.waste, nil
	}
	return all[d.from : d.from+d.grid.N], nil
}

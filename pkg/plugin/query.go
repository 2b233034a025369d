package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"golang.org/x/sync/errgroup"

	"github.com/foreshock/foreshock/pkg/casesapi"
	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/loki"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/registry"
)

// Kinds holds every kind of query, by the name that stands in the query's field "kind".
var Kinds = registry.NewOf[Kind]("query kind")

// defaultKind is meant by queries that name none.
const defaultKind = "detect"

// Kind is the options struct of one kind of query, decoded from the query's JSON: it is the query.
type Kind interface {
	// Prepare takes the data source's defaults; it is called before the query is decoded.
	Prepare(Settings)
	// Parts returns where fields that are objects themselves are decoded to, by field name.
	Parts() map[string]func(json.RawMessage) error
	// Outputs lists the values of the field "output", the default first.
	Outputs() []string
	// Run answers the query. An error for what a person wrote is an inputError.
	Run(ctx context.Context, r Request) (data.Frames, error)
}

// Request is what a query is asked with besides its own fields.
type Request struct {
	RefID string
	// From and To are the shown range, both ends included, in milliseconds.
	From, To int64
	// MaxDataPoints is how many points the panel can show; it never changes a verdict.
	MaxDataPoints int64
	Now           time.Time
	Settings      Settings
	Source        Source
	Loki          *loki.Client // nil: the data source has none
	Fits          *detect.Fits
	// Cases asks the webhook; nil when the data source names none.
	Cases *casesapi.Client
	// History tells how far back the source's samples reach.
	History func(context.Context) prom.History
	// Clock measures durations for the statistics.
	Clock func() time.Time
}

// inputError is a mistake in the query, in one sentence.
type inputError struct{ err error }

func (e inputError) Error() string { return e.err.Error() }
func (e inputError) Unwrap() error { return e.err }

// maxQueries is how many queries of one request run at a time: each of them runs its series on all cores already.
const maxQueries = 4

// QueryData answers every query of a request; one that fails, or panics, fails alone.
func (d *Datasource) QueryData(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	answers := make([]backend.DataResponse, len(req.Queries))
	var g errgroup.Group
	g.SetLimit(maxQueries)
	for i, q := range req.Queries {
		g.Go(func() error {
			answers[i] = d.answer(ctx, q)
			return nil
		})
	}
	_ = g.Wait() // no function returns an error
	resp := backend.NewQueryDataResponse()
	for i, q := range req.Queries {
		resp.Responses[q.RefID] = answers[i]
	}
	return resp, nil
}

func (d *Datasource) answer(ctx context.Context, q backend.DataQuery) (resp backend.DataResponse) {
	defer func() {
		if p := recover(); p != nil {
			resp = failed(ctx, panicked(p))
		}
	}()
	if d.broken != nil {
		return failed(ctx, inputError{d.broken})
	}
	kind, err := readQuery(q.JSON, d.settings)
	if err != nil {
		return failed(ctx, inputError{err})
	}
	frames, err := kind.Run(ctx, Request{
		RefID: q.RefID, From: q.TimeRange.From.UnixMilli(), To: q.TimeRange.To.UnixMilli(), MaxDataPoints: q.MaxDataPoints,
		Now: d.now(), Settings: d.settings, Source: d.source, Loki: d.loki, Fits: d.fits, Cases: d.cases, Clock: d.now,
		History: func(ctx context.Context) prom.History { return d.history.get(ctx, d.now()) },
	})
	if err != nil {
		return failed(ctx, err)
	}
	return backend.DataResponse{Frames: frames, Status: backend.StatusOK}
}

// grafanas are the fields that Grafana itself writes into queries; they mean nothing here. Above all they do not bring a step. The editor of
// alert rules keeps those of the data source that was chosen before, by default Prometheus.
var grafanas = []string{
	"refId", "datasource", "datasourceId", "datasourceUid", "hide", "key", "queryType", "interval", "intervalMs", "maxDataPoints", "range",
	"timeRange", "relativeTimeRange", "requestId", "queryCachingTTL", "utcOffsetSec", "fromAnnotations", "resultAssertions", "scopes",
	"instant", "exemplar", "format", "legendFormat", "intervalFactor", "editorMode", "adhocFilters", "groupByKeys", "useBackend",
	"disableTextWrap", "fullMetaSearch", "includeNullMetadata", "valueWithRefId", "showingGraph", "showingTable", "hinting", "fromExploreMetrics",
}

// readQuery decodes the JSON of a query onto the options of its kind. Unknown fields are errors, but for Grafana's own.
func readQuery(raw json.RawMessage, s Settings) (Kind, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return nil, errors.New("the query is not a JSON object")
	}
	name := defaultKind
	if v, ok := object["kind"]; ok {
		if err := json.Unmarshal(v, &name); err != nil {
			return nil, fmt.Errorf("parameter \"kind\": got %s, want the name of a query kind", v)
		}
	}
	delete(object, "kind")
	for k := range object {
		if slices.Contains(grafanas, k) {
			delete(object, k)
		}
	}
	e, err := Kinds.Get(name)
	if err != nil {
		return nil, err
	}
	kind := e.New()
	kind.Prepare(s)
	var output string
	if err := json.Unmarshal(object["output"], &output); err == nil && !slices.Contains(kind.Outputs(), output) {
		return nil, fmt.Errorf("parameter \"output\": got %q, want one of %s", output, strings.Join(kind.Outputs(), ", "))
	}
	if err := registry.DecodeInto(kind, fromObject(kind, object)); err != nil {
		return nil, err
	}
	return kind, nil
}

// fromObject decodes the fields of a query: those that are objects themselves to where the kind says, all others by their tags.
func fromObject(kind Kind, object map[string]json.RawMessage) registry.Decode {
	return func(options any) error {
		parts := kind.Parts()
		known := slices.Sorted(maps.Keys(parts))
		for _, p := range registry.ParamsOf(options) {
			known = append(known, p.Name)
		}
		flat := make(map[string]any, len(object))
		for _, k := range slices.Sorted(maps.Keys(object)) {
			if !slices.Contains(known, k) {
				return fmt.Errorf("unknown parameter %q: want one of %s", k, strings.Join(known, ", "))
			}
			part, ok := parts[k]
			if !ok {
				flat[k] = object[k]
				continue
			}
			if err := part(object[k]); err != nil {
				return err
			}
		}
		return registry.FromMap(flat)(options)
	}
}

// panicError is a panic of a query.
type panicError struct {
	value any
	stack []byte
}

func panicked(value any) error { return &panicError{value: value, stack: debug.Stack()} }

func (e *panicError) Error() string {
	return "the plugin has a fault and could not answer this query; its log has the details"
}

// failed turns an error into the answer of a query: HTTP status, and whose fault it is.
func failed(ctx context.Context, err error) backend.DataResponse {
	var crash *panicError
	var fault *evaluate.Panic
	if errors.As(err, &fault) {
		crash = &panicError{value: fault.Value, stack: fault.Stack}
		err = crash
	}
	if crash != nil || errors.As(err, &crash) {
		backend.Logger.FromContext(ctx).Error("query panicked", "panic", fmt.Sprint(crash.value), "stack", string(crash.stack))
	}
	status, source := blame(err)
	return backend.ErrDataResponseWithSource(status, source, err.Error())
}

// statusCanceled is what is answered to nobody: the caller went away.
const statusCanceled = 499

// blame returns the HTTP status for an error and whether the plugin or what it depends on, the query included, is at fault.
func blame(err error) (backend.Status, backend.ErrorSource) {
	var input inputError
	if errors.As(err, &input) {
		return backend.StatusBadRequest, backend.ErrorSourceDownstream
	}
	var p *prom.Error
	if errors.As(err, &p) {
		return promStatus(p.Kind), backend.ErrorSourceDownstream
	}
	var webhook *casesapi.Error
	if errors.As(err, &webhook) {
		return backend.StatusBadGateway, backend.ErrorSourceDownstream
	}
	var l *loki.Error
	if errors.As(err, &l) {
		return lokiStatus(l.Kind), backend.ErrorSourceDownstream
	}
	switch {
	case errors.Is(err, context.Canceled):
		return statusCanceled, backend.ErrorSourceDownstream
	case errors.Is(err, context.DeadlineExceeded):
		return backend.StatusTimeout, backend.ErrorSourceDownstream
	}
	return backend.StatusInternal, backend.ErrorSourcePlugin
}

func lokiStatus(k loki.Kind) backend.Status {
	switch k {
	case loki.KindBadQuery:
		return backend.StatusBadRequest
	case loki.KindTimeout:
		return backend.StatusTimeout
	case loki.KindCanceled:
		return statusCanceled
	case loki.KindAuth:
		return backend.StatusForbidden // see promStatus
	}
	return backend.StatusBadGateway
}

func promStatus(k prom.Kind) backend.Status {
	switch k {
	case prom.KindBadQuery:
		return backend.StatusBadRequest
	case prom.KindTooManySamples:
		return http.StatusUnprocessableEntity
	case prom.KindTimeout:
		return backend.StatusTimeout
	case prom.KindCanceled:
		return statusCanceled
	case prom.KindAuth:
		// Not 401: to the browser that would mean that its user is not signed in to Grafana.
		return backend.StatusForbidden
	}
	return backend.StatusBadGateway
}

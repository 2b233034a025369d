package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/prom"
)

// resourceTimeout bounds one question for names: completion that takes longer is of no use.
const resourceTimeout = 15 * time.Second

// maxNames bounds one list of names.
const maxNames = 10_000

// Metric is one row of the resource "metrics".
type Metric struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
	Help string `json:"help,omitempty"`
}

// resource answers one GET from its parameters with what is to be sent as JSON.
type resource struct {
	params []string // what may stand in the URL's query
	answer func(d *Datasource, r *http.Request, q url.Values) (any, error)
}

// lookupParams narrow a question for names: by time, by number, and to those of the series that a selector matches.
var lookupParams = []string{"start", "end", "limit", "match"}

// resources serves what the forms of the front end need.
func (d *Datasource) resources() http.Handler {
	mux := http.NewServeMux()
	for path, res := range map[string]resource{
		"/descriptors":          {[]string{"lang"}, (*Datasource).serveDescriptors},
		"/labels":               {lookupParams, (*Datasource).serveLabels},
		"/labels/{name}/values": {lookupParams, (*Datasource).serveLabelValues},
		"/metrics":              {append(slices.Clone(lookupParams), "prefix"), (*Datasource).serveMetrics},
	} {
		mux.HandleFunc(path, d.serve(res))
	}
	mux.HandleFunc("/cases/{id}/{command}", d.serveCommand)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusNotFound, failure(fmt.Sprintf("unknown resource %q: want descriptors, labels, labels/{name}/values, metrics or cases/{id}/{command}", strings.TrimPrefix(r.URL.Path, "/"))))
	})
	return mux
}

type failureBody struct {
	Error string `json:"error"`
}

func failure(text string) failureBody { return failureBody{Error: text} }

func answer(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte(`{"error":"the answer has no JSON form"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

func (d *Datasource) serve(res resource) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), resourceTimeout)
		defer cancel()
		body, err := d.call(res, r.WithContext(ctx))
		if err != nil {
			status := resourceStatus(err)
			if status == http.StatusInternalServerError {
				backend.Logger.FromContext(ctx).Error("resource failed", "path", r.URL.Path, "error", err)
			}
			answer(w, status, failure(err.Error()))
			return
		}
		answer(w, http.StatusOK, body)
	}
}

// methodError is a request with another method than GET.
type methodError struct{ method string }

func (e methodError) Error() string {
	return fmt.Sprintf("method %s is not allowed: want GET", e.method)
}

func (d *Datasource) call(res resource, r *http.Request) (body any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	if r.Method != http.MethodGet {
		return nil, methodError{r.Method}
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, inputError{errors.New("the parameters of the URL cannot be read")}
	}
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(res.params, name) {
			return nil, inputError{fmt.Errorf("unknown parameter %q: want one of %s", name, strings.Join(res.params, ", "))}
		}
		if len(q[name]) > 1 {
			return nil, inputError{fmt.Errorf("parameter %q: got it %d times, want it once", name, len(q[name]))}
		}
	}
	return res.answer(d, r, q)
}

func resourceStatus(err error) int {
	var method methodError
	var p *panicError
	switch {
	case errors.As(err, &method):
		return http.StatusMethodNotAllowed
	case errors.As(err, &p):
		return http.StatusInternalServerError
	}
	status, _ := blame(err)
	return int(status)
}

func (d *Datasource) serveDescriptors(_ *http.Request, q url.Values) (any, error) {
	lang := q.Get("lang")
	if lang == "" {
		lang = d.settings.Lang
	}
	if lang == "" {
		lang = message.English
	}
	if !slices.Contains(message.Languages(), lang) {
		return nil, inputError{fmt.Errorf("parameter \"lang\": got %q, want one of %s", lang, strings.Join(message.Languages(), ", "))}
	}
	zone := d.settings.Zone
	if zone == "" {
		zone = "UTC"
	}
	return describe(lang, zone), nil
}

func (d *Datasource) serveLabels(r *http.Request, q url.Values) (any, error) {
	l, err := d.lookup(q)
	if err != nil {
		return nil, err
	}
	return list(d.client.LabelNames(r.Context(), l))
}

func (d *Datasource) serveLabelValues(r *http.Request, q url.Values) (any, error) {
	l, err := d.lookup(q)
	if err != nil {
		return nil, err
	}
	return list(d.client.LabelValues(r.Context(), r.PathValue("name"), l))
}

func (d *Datasource) serveMetrics(r *http.Request, q url.Values) (any, error) {
	l, err := d.lookup(q)
	if err != nil {
		return nil, err
	}
	names, err := d.client.SeriesNames(r.Context(), q.Get("prefix"), l)
	if err != nil {
		return nil, err
	}
	// Types and help are an addition: a server that keeps none, or is slow to tell, does not stop completion.
	about, err := d.client.Metadata(r.Context(), "")
	if err != nil && r.Context().Err() != nil {
		return nil, err
	}
	out := make([]Metric, len(names))
	for i, n := range names {
		m := about[family(n, about)]
		out[i] = Metric{Name: n, Type: m.Type, Help: m.Help}
	}
	return out, nil
}

// family returns the name under which a server keeps the metadata of a metric: histograms and summaries have one entry for all parts.
func family(name string, about map[string]prom.Metadata) string {
	if _, ok := about[name]; ok {
		return name
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count", "_total"} {
		if base, ok := strings.CutSuffix(name, suffix); ok {
			if _, ok := about[base]; ok {
				return base
			}
		}
	}
	return name
}

// list makes an absent list an empty one: JSON has null for nil.
func list(names []string, err error) (any, error) {
	if names == nil {
		names = []string{}
	}
	return names, err
}

// lookup reads the parameters that narrow a question for names.
func (d *Datasource) lookup(q url.Values) (prom.Lookup, error) {
	if d.broken != nil {
		return prom.Lookup{}, inputError{d.broken}
	}
	l := prom.Lookup{Limit: maxNames}
	if selector := strings.TrimSpace(q.Get("match")); selector != "" {
		l.Match = []string{selector}
	}
	for name, to := range map[string]*int64{"start": &l.From, "end": &l.To} {
		if q.Get(name) == "" {
			continue
		}
		sec, err := strconv.ParseFloat(q.Get(name), 64)
		if err != nil || !(sec >= 0 && sec < 1e11) {
			return l, inputError{fmt.Errorf("parameter %q: got %q, want a time in unix seconds", name, q.Get(name))}
		}
		*to = int64(sec * 1000)
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxNames {
			return l, inputError{fmt.Errorf("parameter \"limit\": got %q, want 1 to %d", text, maxNames)}
		}
		l.Limit = n
	}
	return l, nil
}

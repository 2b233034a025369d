// Package api is the way in over HTTP: alert messages from Alertmanager and Grafana, commands on cases, and pages for people.
//
// The idea: a delivery is answered 200 only after it is durable, and every other answer is chosen by what the sender does with it:
// Alertmanager repeats 5xx and drops 4xx, so trouble of any kind is 503, and 400 is for what never can be understood. Pages are drawn
// by the server, work without JavaScript, and show texts of alerts as data.
//
//	h, err := api.New(api.Options{Intake: intake, Store: db, Settings: app.Settings, Registerer: reg, Log: logger})
//	http.ListenAndServe(":9099", h)
//
// It decides nothing about alerts (webhook/stage does) and sends nothing (webhook/action does). Who may do what is webhook/auth's to say;
// every address but the few that are listed open needs a role, by its method.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/auth"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
)

// Intake makes a delivery durable; *stage.Intake is one.
type Intake interface {
	Deliver(ctx context.Context, d alert.Delivery) (stage.Receipt, error)
}

// Store is what pages and commands need of the store; see store.Store.
type Store interface {
	Cases(ctx context.Context, q cases.Query) ([]cases.Case, error)
	Story(ctx context.Context, caseID string) (cases.Story, error)
	Deliveries(ctx context.Context, before string, limit int) ([]cases.DeliveryInfo, error)
	Body(ctx context.Context, deliveryID string) (body []byte, cut bool, err error)
	Counts(ctx context.Context) (cases.Counts, error)
	Messages(ctx context.Context, caseIDs []string) (map[string][]cases.Action, error)
	Statistics(ctx context.Context, since, until time.Time) (cases.Statistics, error)
	Key(ctx context.Context, name string) ([]byte, error)
	Ledger(ctx context.Context, q cases.LedgerQuery) ([]cases.LedgerLine, error)
	Similar(ctx context.Context, c cases.Case, limit int) ([]cases.Case, error)
	Commit(ctx context.Context, ch cases.Change) error
}

// Options make the handler. Intake, Store, Settings and Registerer are needed.
type Options struct {
	Intake     Intake
	Store      Store
	OnCall     OnCall                                          // schedules and the audit log; nil: there are no such addresses
	Settings   func() Settings                                 // read once per request, so that a reload takes effect
	Health     func(channel string) action.ChannelHealth       // nil: there is no such address
	Committed  func()                                          // after a command that added actions: wake the executor; may be nil
	Registerer prometheus.Registerer                           // for the metrics
	Log        *slog.Logger                                    // nil: nothing is logged
	Now        func() time.Time                                // nil: time.Now
	Reply      func(ctx context.Context, address, text string) // tells somebody in another service why it was not done; may be nil
	Open       []string                                        // beginnings of addresses that check for themselves who asks, such as /interactions/
	Noise      NoiseStore                                      // mutes, splits and explanations; nil: there are no such addresses
	Silences   func() map[string]policy.Mutes                  // active silences of Alertmanager by cluster; nil: none are known
}

// Settings are what a reload may change.
type Settings struct {
	Cluster  string // of deliveries whose address names none
	Language string // of pages for browsers that ask for none
	Limits   alert.Limits
	Raw      int64 // bytes kept of a delivery as it came
	Body     int64 // bytes of a body, unpacked, that are read at most
	Grafana  Signature
	Rules    policy.Rules
	Auth     *auth.Guard // nil: everybody may everything
	// ExternalURL is the address under which people reach the pages.
	ExternalURL  string
	Explore      Explore
	Channels     []string // names of those configured, sorted
	Interactions Interactions
}

// Handler serves the API and the pages.
type Handler struct {
	o       Options
	mux     http.Handler
	metrics *metrics
	heavy   chan struct{} // slots for large bodies

	summaries memo[span, cases.Summary]
	counts    memo[struct{}, cases.Counts]
	key       struct {
		sync.Mutex
		value []byte
	}
}

// New makes the handler and registers its metrics.
func New(o Options) (*Handler, error) {
	if o.Intake == nil || o.Store == nil || o.Settings == nil || o.Registerer == nil {
		return nil, errors.New("api: Options need Intake, Store, Settings and Registerer")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{
		o: o, heavy: make(chan struct{}, heavySlots),
		summaries: memo[span, cases.Summary]{ttl: statisticsFor, max: 32, now: o.Now}, counts: memo[struct{}, cases.Counts]{ttl: countsFor, max: 1, now: o.Now},
	}
	var err error
	if h.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, path := range deliveryPaths() {
		mux.HandleFunc("POST "+path, h.receive)
	}
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /api/v1/cases":                 h.listCases,
		"GET /api/v1/cases/{id}":            h.readCase,
		"POST /api/v1/cases/{id}/{command}": h.command,
		"POST /api/v1/cases/bulk/{command}": h.bulkCommand,
		"GET /api/v1/deliveries":            h.listDeliveries,
		"GET /api/v1/deliveries/{id}":       h.readDelivery,
		"GET /api/v1/ledger":                h.readLedger,
		"GET /api/v1/channels":              h.readChannels,
		"GET /api/v1/counts":                h.readCounts,
		"GET /api/v1/statistics":            h.readStatistics,
		"GET /{$}":                          h.pageOverview,
		"GET /cases":                        h.pageCases,
		"POST /cases/bulk/{command}":        h.own(h.pageBulk),
		"GET /cases/{id}":                   h.pageCase,
		"POST /cases/{id}/{command}":        h.own(h.pageCommand),
		"GET /deliveries":                   h.pageDeliveries,
		"GET /ledger":                       h.pageLedger,
		"GET /login":                        h.login,
		"GET /login/callback":               h.callback,
		"POST /logout":                      h.own(h.logout),
		"GET /style.css":                    static("style.css", "text/css; charset=utf-8"),
		"GET /script.js":                    static("script.js", "text/javascript; charset=utf-8"),
	} {
		mux.HandleFunc(pattern, handle)
	}
	h.onCallRoutes(mux)
	h.interactionRoutes(mux)
	h.noiseRoutes(mux)
	// What changes anything is refused when a browser says that another site asked for it. Senders of alerts are no browsers.
	h.mux = http.NewCrossOriginProtection().Handler(h.guarded(mux))
	return h, nil
}

// policyHeader allows what our pages hold: a style sheet and a script of our own, which reads our own pages; forms to themselves; and nothing
// else. Nothing within a page is ever a script or a style.
const policyHeader = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'"

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policyHeader)
	header.Set("X-Content-Type-Options", "nosniff")
	// Not no-referrer: a form would then come with "Origin: null", and over plain HTTP that is all there is to tell our own page from another.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	h.mux.ServeHTTP(w, r)
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(true)
	_ = enc.Encode(v) // the other side may be gone: nothing is left to do
}

// refuse answers one sentence.
func refuse(w http.ResponseWriter, code int, sentence string) {
	answer(w, code, map[string]string{"error": sentence})
}

// trouble answers an error of the store: 404 for what is not there, 409 for a lost race, else 503. Texts of other errors go to the log.
func (h *Handler) trouble(w http.ResponseWriter, r *http.Request, err error) {
	code, sentence := h.classify(r.Context(), r.Pattern, err)
	refuse(w, code, sentence)
}

func (h *Handler) classify(ctx context.Context, route string, err error) (int, string) {
	var bad *badRequest
	switch {
	case errors.As(err, &bad):
		return bad.code, bad.text
	case errors.Is(err, cases.ErrNotFound):
		return http.StatusNotFound, "there is nothing of that ID"
	case errors.Is(err, cases.ErrConflict):
		return http.StatusConflict, "somebody else was faster: look again"
	}
	if ctx.Err() == nil {
		h.o.Log.Error("the store failed", "route", route, "err", err)
	}
	return http.StatusServiceUnavailable, "the store cannot be reached now: try again"
}

// badRequest is a mistake of whoever asked.
type badRequest struct {
	code int
	text string
}

func (b *badRequest) Error() string { return b.text }

// origin is where a request came from, for people: the address, and the program when it speaks for somebody.
func origin(r *http.Request) string {
	from := r.RemoteAddr
	if host, _, err := net.SplitHostPort(from); err == nil {
		from = host
	}
	if u := auth.From(r.Context()); u.Speaks {
		return line(u.Name, maxName) + " " + from
	}
	return from
}

package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// caseList is the answer of GET /api/v1/cases.
type caseList struct {
	Cases []cases.Case `json:"cases"`
	// Next is the value of before for the next page; absent on the last.
	Next string `json:"next,omitempty"`
}

// caseStory is the answer of GET /api/v1/cases/{id}.
type caseStory struct {
	Case     cases.Case      `json:"case"`
	Alerts   []cases.Alert   `json:"alerts"`
	Events   []cases.Event   `json:"events"`
	Actions  []cases.Action  `json:"actions"`
	Attempts []cases.Attempt `json:"attempts"`
	Commands []cases.Trigger `json:"commands"` // what its state allows
}

func (h *Handler) listCases(w http.ResponseWriter, r *http.Request) {
	q, err := readQuery(r)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	all, err := h.o.Store.Cases(r.Context(), q)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	out := caseList{Cases: orEmpty(all)}
	if len(all) == q.Limit {
		out.Next = q.Order.Place(all[len(all)-1])
	}
	answer(w, http.StatusOK, out)
}

func (h *Handler) readCase(w http.ResponseWriter, r *http.Request) {
	s, err := h.o.Store.Story(r.Context(), r.PathValue("id"))
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, caseStory{
		s.Case, orEmpty(s.Alerts), orEmpty(s.Events), orEmpty(s.Actions), orEmpty(s.Attempts), orEmpty(possible(s.Case.State)),
	})
}

func (h *Handler) command(w http.ResponseWriter, r *http.Request) {
	o, err := h.readOrder(w, r)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	c, err := h.carryOut(r.Context(), o)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, c)
}

// deliveryList is the answer of GET /api/v1/deliveries.
type deliveryList struct {
	Deliveries []cases.DeliveryInfo `json:"deliveries"`
	Next       string               `json:"next,omitempty"`
}

func (h *Handler) listDeliveries(w http.ResponseWriter, r *http.Request) {
	limit, err := readLimit(r)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	all, err := h.o.Store.Deliveries(r.Context(), r.URL.Query().Get("before"), limit)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	out := deliveryList{Deliveries: orEmpty(all)}
	if len(all) == limit {
		out.Next = all[len(all)-1].ID
	}
	answer(w, http.StatusOK, out)
}

// readDelivery answers the body of a delivery as it came. It is somebody else's text: a browser must not take it for a page.
func (h *Handler) readDelivery(w http.ResponseWriter, r *http.Request) {
	body, cut, err := h.o.Store.Body(r.Context(), r.PathValue("id"))
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if cut {
		w.Header().Set("X-Foreshock-Cut", "true")
	}
	_, _ = w.Write(body)
}

// counts is the answer of GET /api/v1/counts.
type counts struct {
	Cases      map[cases.State]int       `json:"cases"`
	OpenGrades map[policy.Grade]int      `json:"openGrades"`
	Actions    map[cases.ActionState]int `json:"actions"`
	Firing     int                       `json:"firing"`
	Deliveries int                       `json:"deliveries"`
	OldestDue  time.Time                 `json:"oldestDue,omitzero"`
}

func (h *Handler) readCounts(w http.ResponseWriter, r *http.Request) {
	c, err := h.o.Store.Counts(r.Context())
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, counts(c))
}

// Bounds of lists.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

func readLimit(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, &badRequest{http.StatusBadRequest, fmt.Sprintf("limit %.40q: want 1 to %d", text, maxLimit)}
	}
	return n, nil
}

// readQuery reads what selects cases: state (open, all, or states), grade, cluster, q, since, until, order, before, limit. Lists are separated
// by commas; without a state it is the open cases.
func readQuery(r *http.Request) (cases.Query, error) {
	v := r.URL.Query()
	q := cases.Query{Cluster: v.Get("cluster"), Text: v.Get("q"), Before: v.Get("before")}
	var err error
	if q.Limit, err = readLimit(r); err != nil {
		return q, err
	}
	switch order := v.Get("order"); order {
	case "", "newest":
	case string(cases.ByUrgency):
		q.Order = cases.ByUrgency
	default:
		return q, &badRequest{http.StatusBadRequest, fmt.Sprintf("order %.40q: want newest or urgency", order)}
	}
	switch state := v.Get("state"); state {
	case "", "open":
		q.States = cases.OpenStates()
	case "all":
	default:
		for s := range strings.SplitSeq(state, ",") {
			if !slices.Contains(cases.States(), cases.State(s)) {
				return q, &badRequest{http.StatusBadRequest, fmt.Sprintf("state %.40q: want open, all, or some of %v separated by commas", s, cases.States())}
			}
			q.States = append(q.States, cases.State(s))
		}
	}
	if grades := v.Get("grade"); grades != "" {
		for text := range strings.SplitSeq(grades, ",") {
			var g policy.Grade
			if err := g.UnmarshalText([]byte(text)); err != nil {
				return q, &badRequest{http.StatusBadRequest, fmt.Sprintf("grade %.40q: want some of P0, P1, P2, P3 separated by commas", text)}
			}
			q.Grades = append(q.Grades, g)
		}
	}
	for name, at := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := v.Get(name); text != "" {
			if *at, err = readTime(text); err != nil {
				return q, &badRequest{http.StatusBadRequest, fmt.Sprintf("%s %.40q: want RFC 3339 or unix seconds", name, text)}
			}
		}
	}
	return q, nil
}

func readTime(text string) (time.Time, error) {
	if sec, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(sec, 0).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	return t.UTC(), err
}

// orEmpty makes an empty list of none, so that JSON says [].
func orEmpty[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

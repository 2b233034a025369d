package api

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
)

// readLedger lists attempts, newest first, with what the address asks for.
func (h *Handler) readLedger(w http.ResponseWriter, r *http.Request) {
	q, err := ledgerQuery(r)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	lines, err := h.o.Store.Ledger(r.Context(), q)
	if errors.Is(err, cases.ErrBadCursor) {
		err = &badRequest{http.StatusBadRequest, err.Error()}
	}
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	out := struct {
		Lines []cases.LedgerLine `json:"lines"`
		Next  string             `json:"next,omitempty"` // for before, while there is more
	}{Lines: append([]cases.LedgerLine{}, lines...)}
	if len(lines) > 0 && len(lines) >= max(1, min(q.Limit, 1000)) {
		out.Next = lines[len(lines)-1].Cursor()
	}
	answer(w, http.StatusOK, out)
}

// ledgerQuery reads ?channel=, case=, result= (repeatable), since=, until= (RFC 3339), before=, limit=, internal=true.
func ledgerQuery(r *http.Request) (cases.LedgerQuery, error) {
	v := r.URL.Query()
	q := cases.LedgerQuery{
		Channel: v.Get("channel"), CaseID: v.Get("case"), Results: v["result"], Before: v.Get("before"), Internal: v.Get("internal") == "true", Limit: 100,
	}
	for _, t := range []struct {
		name string
		to   *time.Time
	}{{"since", &q.Since}, {"until", &q.Until}} {
		if text := v.Get(t.name); text != "" {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return q, &badRequest{http.StatusBadRequest, t.name + ": want a time like 2026-11-20T12:00:00Z"}
			}
			*t.to = at
		}
	}
	if text := v.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return q, &badRequest{http.StatusBadRequest, "limit: want 1 to 1000"}
		}
		q.Limit = n
	}
	return q, nil
}

// readChannels says how each channel does.
func (h *Handler) readChannels(w http.ResponseWriter, _ *http.Request) {
	out := struct {
		Channels []action.ChannelHealth `json:"channels"`
	}{Channels: []action.ChannelHealth{}}
	if h.o.Health != nil {
		for _, name := range h.o.Settings().Channels {
			out.Channels = append(out.Channels, h.o.Health(name))
		}
	}
	answer(w, http.StatusOK, out)
}

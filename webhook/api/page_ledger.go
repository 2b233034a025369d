package api

import (
	"errors"
	"net/http"
	"slices"

	"github.com/foreshock/foreshock/webhook/cases"
)

type ledgerView struct {
	Lines    []ledgerLine
	Next     string
	Channels []string
	Results  []string
	Channel  string
	Result   string
	CaseID   string
}

// ledgerLine is one attempt, with the colour of its result.
type ledgerLine struct {
	cases.LedgerLine
	Class string
}

// ledgerResults are those that the page can be narrowed to.
func ledgerResults() []string {
	return []string{string(cases.OutcomeSent), "failed", string(cases.Unknown), string(cases.OutcomeRejected), string(cases.OutcomeExpired)}
}

func (h *Handler) pageLedger(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	if v.Get("result") == "" {
		v.Del("result")
		r.URL.RawQuery = v.Encode()
	}
	q, err := ledgerQuery(r)
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	lines, err := h.o.Store.Ledger(r.Context(), q)
	if errors.Is(err, cases.ErrBadCursor) {
		err = &badRequest{http.StatusBadRequest, err.Error()}
	}
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	view := ledgerView{Channels: slices.Clone(h.o.Settings().Channels), Results: ledgerResults(), Channel: q.Channel, Result: v.Get("result"), CaseID: q.CaseID}
	for _, l := range lines {
		line := ledgerLine{l, "wait"}
		switch l.Result {
		case string(cases.OutcomeSent):
			line.Class = "ok"
		case "failed", string(cases.Unknown), string(cases.OutcomeRejected), string(cases.OutcomeExpired):
			line.Class = "bad"
		}
		view.Lines = append(view.Lines, line)
	}
	if len(lines) > 0 && len(lines) == q.Limit {
		view.Next = lines[len(lines)-1].Cursor()
	}
	h.draw(w, r, "ledger", page{Body: view})
}

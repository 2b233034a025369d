package api

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// maxBulk bounds how many cases one command may change.
const maxBulk = 200

// bulk is one command on several cases.
type bulk struct {
	order // CaseID is empty
	IDs   []string
}

// bulkResult is the answer of POST /api/v1/cases/bulk/{command}.
type bulkResult struct {
	Done   []string      `json:"done"`
	Failed []bulkFailure `json:"failed"` // each with its reason; the others are not affected
}

type bulkFailure struct {
	ID    string `json:"id"`
	Error string `json:"error"`
}

// readBulk reads a command on several cases: a form with the field id repeated, or JSON like {"ids": ["…"], "by": "ann", "note": "…"}.
func (h *Handler) readBulk(w http.ResponseWriter, r *http.Request) (bulk, error) {
	b := bulk{order: order{On: cases.Trigger(r.PathValue("command")), From: origin(r), Via: via(r), At: h.o.Now().UTC().Truncate(time.Microsecond)}}
	if !slices.Contains(moves(), b.On) {
		return b, &badRequest{http.StatusNotFound, fmt.Sprintf("unknown command %.40q: want one of %s", b.On, list(moves()))}
	}
	var in struct {
		IDs  []string `json:"ids"`
		By   string   `json:"by"`
		Note string   `json:"note"`
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind {
	case "application/x-www-form-urlencoded":
		if err := r.ParseForm(); err != nil {
			return b, &badRequest{http.StatusBadRequest, "the form cannot be read"}
		}
		in.IDs, in.By, in.Note = r.PostForm["id"], r.PostForm.Get("by"), r.PostForm.Get("note")
	case "application/json":
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			return b, &badRequest{http.StatusBadRequest, `want a JSON object like {"ids": ["01KA…"], "by": "ann", "note": "looking into it"}`}
		}
	default:
		return b, &badRequest{http.StatusBadRequest, fmt.Sprintf("Content-Type %.80q: want application/json or application/x-www-form-urlencoded", kind)}
	}
	slices.Sort(in.IDs)
	if b.IDs = slices.Compact(in.IDs); len(b.IDs) == 0 || len(b.IDs) > maxBulk {
		return b, &badRequest{http.StatusBadRequest, fmt.Sprintf("%d cases are selected: want 1 to %d", len(b.IDs), maxBulk)}
	}
	b.By, b.Note = h.actor(r, in.By), prose(in.Note)
	return b, nil
}

// carryOutAll does to each case what was asked; one that cannot is reported and leaves the others alone.
func (h *Handler) carryOutAll(ctx context.Context, b bulk) bulkResult {
	out := bulkResult{Done: []string{}, Failed: []bulkFailure{}}
	for _, id := range b.IDs {
		o := b.order
		o.CaseID = id
		if _, err := h.carryOut(ctx, o); err != nil {
			_, sentence := h.classify(ctx, "bulk", err)
			out.Failed = append(out.Failed, bulkFailure{id, sentence})
			continue
		}
		out.Done = append(out.Done, id)
	}
	return out
}

func (h *Handler) bulkCommand(w http.ResponseWriter, r *http.Request) {
	b, err := h.readBulk(w, r)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, h.carryOutAll(r.Context(), b))
}

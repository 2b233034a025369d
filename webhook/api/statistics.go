package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// Bounds of GET /api/v1/statistics.
const (
	maxRange   = 90 * 24 * time.Hour
	maxBuckets = 2000
	// statisticsFor is how long a summary serves: it is read from many rows, and pages ask for it again and again.
	statisticsFor = 10 * time.Second
	countsFor     = time.Second
)

// span selects a summary.
type span struct {
	since, until time.Time
	step         time.Duration
}

// statistics is the answer of GET /api/v1/statistics.
type statistics struct {
	cases.Summary
	StepSeconds float64 `json:"stepSeconds"`
}

func (h *Handler) readStatistics(w http.ResponseWriter, r *http.Request) {
	s, err := h.readSpan(r)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	sum, err := h.summary(r.Context(), s)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, statistics{sum, sum.Step.Seconds()})
}

// readSpan reads since, until (RFC 3339 or unix seconds; the last day) and step (seconds or 5m; an hour).
func (h *Handler) readSpan(r *http.Request) (span, error) {
	v := r.URL.Query()
	s := span{until: h.o.Now().UTC(), step: time.Hour}
	fail := func(name, want string) (span, error) {
		return s, &badRequest{http.StatusBadRequest, fmt.Sprintf("%s %.40q: want %s", name, v.Get(name), want)}
	}
	var err error
	if text := v.Get("until"); text != "" {
		if s.until, err = readTime(text); err != nil {
			return fail("until", "RFC 3339 or unix seconds")
		}
	}
	s.since = s.until.Add(-24 * time.Hour)
	if text := v.Get("since"); text != "" {
		if s.since, err = readTime(text); err != nil {
			return fail("since", "RFC 3339 or unix seconds")
		}
	}
	if text := v.Get("step"); text != "" {
		if s.step, err = time.ParseDuration(text); err != nil {
			s.step, err = time.ParseDuration(text + "s")
		}
		if err != nil || s.step <= 0 {
			return fail("step", "seconds, or a duration like 1h")
		}
	}
	if !s.since.Before(s.until) || s.until.Sub(s.since) > maxRange {
		return fail("since", fmt.Sprintf("a time before until, at most %d days", int(maxRange.Hours()/24)))
	}
	s.since, s.until, s.step = cases.Grid(s.since, s.until, s.step)
	if s.until.Sub(s.since)/s.step > maxBuckets {
		return fail("step", fmt.Sprintf("a step that divides the range into at most %d", maxBuckets))
	}
	return s, nil
}

// summary is what happened in a range, some seconds old at most.
func (h *Handler) summary(ctx context.Context, s span) (cases.Summary, error) {
	return h.summaries.get(ctx, s, func(ctx context.Context) (cases.Summary, error) {
		raw, err := h.o.Store.Statistics(ctx, s.since, s.until)
		return cases.Summarise(raw, s.since, s.until, s.step), err
	})
}

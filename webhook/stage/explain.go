package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// ExplainStore is what an explanation reads.
type ExplainStore interface {
	Story(ctx context.Context, caseID string) (cases.Story, error)
	AlertsLike(ctx context.Context, fingerprint string) ([]cases.Alert, error)
	Alerts(ctx context.Context, status alert.Status, most int) ([]cases.Alert, error)
	Observations(ctx context.Context, id alert.Identity, limit int) ([]cases.Observation, error)
}

// Explanation is the story of one alert: what was decided about it and why, and
// what came of that.
type Explanation struct {
	Alert        cases.Alert         `json:"alert"`
	Observations []cases.Observation `json:"observations"` // newest first, at most 50
	Case         *cases.Case         `json:"case"`         // null when it is no longer there
	Events       []cases.Event       `json:"events"`       // of the case, about this alert or about all, oldest first
	Messages     []cases.Action      `json:"messages"`     // of the case, without their texts
}

// maxExplained bounds how many alerts one question is answered about, maxSearched
// how many are looked through for matchers.
const (
	maxExplained = 20
	maxSearched  = 10_000
)

// ErrNoQuestion says that what was asked about cannot be read.
var ErrNoQuestion = errors.New(`want a fingerprint, a case ID, or matchers like alertname="DiskFull",instance="db-1"`)

// Explain tells the story of the alerts that a question is about: a fingerprint,
// a cluster and a fingerprint, a case, or matchers with commas. None found is an
// empty answer.
func Explain(ctx context.Context, store ExplainStore, question string) ([]Explanation, error) {
	found, err := asked(ctx, store, strings.TrimSpace(question))
	if err != nil {
		return nil, err
	}
	if len(found) > maxExplained {
		found = found[:maxExplained]
	}
	out := make([]Explanation, 0, len(found))
	for _, a := range found {
		e, err := explain(ctx, store, a)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func asked(ctx context.Context, store ExplainStore, q string) ([]cases.Alert, error) {
	if q == "" {
		return nil, ErrNoQuestion
	}
	if strings.ContainsAny(q, "=~!") {
		ms, err := matchers(q)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoQuestion, err)
		}
		all, err := store.Alerts(ctx, "", maxSearched)
		return slices.DeleteFunc(all, func(a cases.Alert) bool { return !policy.MatchAll(ms, a.Last.Labels) }), err
	}
	s, err := store.Story(ctx, q)
	if err == nil {
		return s.Alerts, nil
	}
	if !errors.Is(err, cases.ErrNotFound) {
		return nil, err
	}
	cluster, fingerprint := "", q
	if i := strings.LastIndexByte(q, '/'); i >= 0 {
		cluster, fingerprint = q[:i], q[i+1:]
	}
	all, err := store.AlertsLike(ctx, fingerprint)
	return slices.DeleteFunc(all, func(a cases.Alert) bool { return cluster != "" && a.Identity.Cluster != cluster }), err
}

// matchers reads matchers with commas between them, also within braces. A comma
// within quotes is part of a value.
func matchers(text string) ([]policy.Matcher, error) {
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "{"), "}")
	var out []policy.Matcher
	quoted, from := false, 0
	add := func(part string) error {
		if part = strings.TrimSpace(part); part == "" {
			return nil
		}
		m, err := policy.ParseMatcher(part)
		out = append(out, m)
		return err
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quoted:
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ',' && !quoted:
			if err := add(text[from:i]); err != nil {
				return nil, err
			}
			from = i + 1
		}
	}
	return out, add(text[from:])
}

func explain(ctx context.Context, store ExplainStore, a cases.Alert) (Explanation, error) {
	e := Explanation{Alert: a, Events: []cases.Event{}, Messages: []cases.Action{}}
	var err error
	if e.Observations, err = store.Observations(ctx, a.Identity, 50); err != nil {
		return e, err
	}
	s, err := store.Story(ctx, a.CaseID)
	if errors.Is(err, cases.ErrNotFound) {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	e.Case = &s.Case
	for _, ev := range s.Events {
		if ev.Alert == "" || ev.Alert == a.Identity.String() {
			e.Events = append(e.Events, ev)
		}
	}
	for _, act := range s.Actions {
		if act.Kind == cases.Notify {
			act.Payload = nil
			e.Messages = append(e.Messages, act)
		}
	}
	return e, nil
}

// Text is the explanation for people, in lines. Texts of alerts are quoted.
func (e Explanation) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
	}
	a := e.Alert
	line("%s %s", a.Identity, a.Last.Labels)
	line("  is %s; grade %s by %q", a.Status, a.Grade, string(a.GradeReason))
	if !a.FlappingSince.IsZero() {
		line("  flaps since %s", stamp(a.FlappingSince))
	}
	if e.Case == nil {
		line("  is in no case any more")
	} else {
		c := e.Case
		line("  in case %s %q: %s, %s by %q, %d of %d alerts fire", c.ID, c.Title, c.State, c.Grade, string(c.GradeReason), c.Firing, c.Total)
		if a.Joined.How != "" {
			line("  came in as %s %s %s", a.Joined.How, stamp(a.Joined.At), quotedText(a.Joined.Evidence))
		}
		if c.Mute != "" {
			line("  messages are held back by %q of %s until %s", c.Mute, c.MutedBy, stamp(c.MutedUntil))
		}
	}
	line("  decisions, newest first:")
	for _, o := range e.Observations {
		line("    %s %-9s %-12s %-8s %s", stamp(o.At), o.Decision, o.Reason, o.Status, quotedText(o.Note))
	}
	line("  timeline:")
	for _, ev := range e.Events {
		line("    %s %-12s %s %s", stamp(ev.At), ev.Kind, arrow(ev), quotedText(ev.Note))
	}
	line("  messages:")
	for _, m := range e.Messages {
		line("    %s %-10s %s %s", stamp(m.Planned), m.Channel, m.Key, strings.TrimSpace(string(m.State)+" "+string(m.Outcome)))
	}
	return b.String()
}

func arrow(e cases.Event) string {
	if e.From == "" && e.To == "" {
		return ""
	}
	return e.From + " → " + e.To
}

// quotedText is what somebody else wrote, in quotation marks; nothing when they wrote nothing.
func quotedText(text string) string {
	if text == "" {
		return ""
	}
	return strconv.Quote(text)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

package casesapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/foreshock/foreshock/pkg/series"
)

// Selector chooses cases by their labels, as matchers of Alertmanager do.
type Selector struct{ matchers labels.Matchers }

// ParseSelector reads matchers like {service="checkout",severity=~"critical|warning"}; {} chooses all cases.
func ParseSelector(text string) (Selector, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Selector{}, errors.New(`got nothing, want matchers like {service="checkout",severity=~"critical|warning"}, or {} for all cases`)
	}
	if text == "{}" {
		return Selector{}, nil
	}
	m, err := labels.ParseMatchers(text)
	if err != nil {
		return Selector{}, fmt.Errorf(`got %q: %w; want matchers like {service="checkout",severity=~"critical|warning"}, or {} for all cases`, text, err)
	}
	return Selector{m}, nil
}

// Has reports whether a case is chosen. A label that it lacks is empty.
func (s Selector) Has(c Case) bool {
	for _, m := range s.matchers {
		if !m.Matches(c.Labels[m.Name]) {
			return false
		}
	}
	return true
}

// mostPast is how many cases of the past are read: more were never looked at by anybody.
const mostPast = 20_000

// Past lists the chosen cases that were open at some time of that range, in no order. More says that there are more than are read.
func (c *Client) Past(ctx context.Context, s Selector, from, to time.Time) (out []Case, more bool, err error) {
	// One that was open then was changed after from: it was at least resolved, or is open still.
	all, more, err := c.Cases(ctx, Query{State: "all", Since: from, Limit: mostPast})
	if err != nil {
		return nil, false, err
	}
	open, cut, err := c.Cases(ctx, Query{State: "open", Limit: mostPast})
	if err != nil {
		return nil, false, err
	}
	seen := map[string]bool{}
	for _, one := range append(all, open...) {
		began, ended := one.Span(to)
		if !seen[one.ID] && s.Has(one) && !began.After(to) && !ended.Before(from) {
			out = append(out, one)
		}
		seen[one.ID] = true
	}
	return out, more || cut, nil
}

// Span is when a case was true: from its first alert to its resolution, or to now where it has none yet.
func (c Case) Span(now time.Time) (began, ended time.Time) {
	began, ended = c.StartedAt, c.ResolvedAt
	if began.IsZero() {
		began = c.OpenedAt
	}
	if ended.IsZero() {
		ended = now
	}
	if ended.Before(began) {
		ended = began
	}
	return began, ended
}

// SeriesLabels are the labels that the alerts of the case have in common.
func (c Case) SeriesLabels() series.Labels { return series.FromMap(c.Labels) }

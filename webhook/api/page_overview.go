package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// ranges are what the overview can show, with the step of its charts.
var ranges = []struct { //nolint:gochecknoglobals // a constant in all but name
	name   string
	length time.Duration
	step   time.Duration
	mark   int    // steps between two marks of the axis
	layout string // of the marks
}{
	{"24h", 24 * time.Hour, time.Hour, 4, "15:04"},
	{"7d", 7 * 24 * time.Hour, 6 * time.Hour, 4, "01-02"},
	{"30d", 30 * 24 * time.Hour, 24 * time.Hour, 5, "01-02"},
}

// urgentLimit is how many open cases the overview shows.
const urgentLimit = 5

// shift is the length of time that messages are summed over, to see what a person on call hears: three shifts a day.
const shift = 8 * time.Hour

type overviewView struct {
	Range    string
	Ranges   []string
	Counts   cases.Counts
	Grades   []policy.Grade
	Dead     int
	Overdue  time.Time // due time of the oldest message that waits, zero when it is not late
	Heard    time.Time // when the newest delivery came, zero when there was none
	Urgent   []caseView
	Sum      cases.Summary
	Alerts   chart
	Messages chart
	Opened   chart
	Shifts   []shiftView
	Channels []channelView
}

// shiftView is how many messages were sent in one shift.
type shiftView struct {
	From, To time.Time
	N        int
	Who      string // on call then, when that is known
}

// channelView is how a channel does.
type channelView struct {
	cases.ChannelStatistics
	Class string // "ok", "wait", "bad"
	Key   string // of the text
}

// lateAfter is how overdue a message may be before the overview says so: retries and quotas make some wait.
const lateAfter = time.Minute

func (h *Handler) pageOverview(w http.ResponseWriter, r *http.Request) {
	view, err := h.overview(r)
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	h.draw(w, r, "overview", page{Body: view, Refresh: 30})
}

func (h *Handler) overview(r *http.Request) (v overviewView, err error) {
	ctx := r.Context()
	chosen := ranges[0]
	for _, x := range ranges {
		v.Ranges = append(v.Ranges, x.name)
		if x.name == r.URL.Query().Get("range") {
			chosen = x
		}
	}
	v.Range, v.Grades = chosen.name, policy.Grades()
	if v.Counts, err = h.totals(ctx); err != nil {
		return v, err
	}
	now := h.o.Now().UTC()
	if v.Dead = v.Counts.Actions[cases.Dead]; now.Sub(v.Counts.OldestDue) > lateAfter {
		v.Overdue = v.Counts.OldestDue
	}
	newest, err := h.o.Store.Deliveries(ctx, "", 1)
	if err != nil {
		return v, err
	}
	if len(newest) > 0 {
		v.Heard = newest[0].Received
	}
	q := cases.Query{States: cases.OpenStates(), Order: cases.ByUrgency, Limit: urgentLimit}
	if v.Urgent, _, err = h.selectCases(ctx, q); err != nil {
		return v, err
	}
	since, until, step := cases.Grid(now.Add(-chosen.length), now, chosen.step)
	if v.Sum, err = h.summary(ctx, span{since, until, step}); err != nil {
		return v, err
	}
	if v.Shifts, err = h.shifts(ctx, now); err != nil {
		return v, err
	}
	v.charts(h.lang(nil, r), chosen.mark, chosen.layout)
	v.Channels = h.channels(v.Sum)
	return v, nil
}

// charts draws the three charts.
func (v *overviewView) charts(lang string, mark int, layout string) {
	b := v.Sum.Buckets
	t := page{Lang: lang}.T
	titles, marks := make([]string, len(b)), map[int]string{}
	take := func(f func(cases.Bucket) int) []float64 {
		out := make([]float64, len(b))
		for i := range b {
			out[i] = float64(f(b[i]))
		}
		return out
	}
	for i := range b {
		if i%mark == 0 {
			marks[i] = b[i].At.Format(layout)
		}
	}
	with := func(text func(cases.Bucket) string) []string {
		for i := range b {
			titles[i] = b[i].At.Format("2006-01-02 15:04") + " UTC: " + text(b[i])
		}
		return slices.Clone(titles)
	}
	v.Alerts = columns(t("webhook.page.chart.alerts"), []layer{
		{"news", take(func(b cases.Bucket) int { return b.News })}, {"told", take(func(b cases.Bucket) int { return b.Alerts - b.News })},
	}, with(func(b cases.Bucket) string {
		return t("webhook.page.chart.alerts.column", "news", b.News, "repeats", b.Alerts-b.News)
	}), marks)
	v.Messages = columns(t("webhook.page.chart.messages"), []layer{
		{"good", take(func(b cases.Bucket) int { return b.Messages })}, {"failed", take(func(b cases.Bucket) int { return b.Failures })},
	}, with(func(b cases.Bucket) string {
		return t("webhook.page.chart.messages.column", "sent", b.Messages, "failed", b.Failures)
	}), marks)
	var grades []layer
	for _, g := range policy.Grades() {
		grades = append(grades, layer{"g" + g.String(), take(func(b cases.Bucket) int { return b.Opened[g] })})
	}
	v.Opened = columns(t("webhook.page.chart.opened"), grades, with(func(b cases.Bucket) string {
		return fmt.Sprintf("P0 %d, P1 %d, P2 %d, P3 %d", b.Opened[policy.P0], b.Opened[policy.P1], b.Opened[policy.P2], b.Opened[policy.P3])
	}), marks)
}

// shifts sums the messages of the last shifts, the running one first.
func (h *Handler) shifts(ctx context.Context, now time.Time) ([]shiftView, error) {
	since, until, step := cases.Grid(now.Add(-2*shift), now, shift)
	sum, err := h.summary(ctx, span{since, until, step})
	if err != nil {
		return nil, err
	}
	var out []shiftView
	for _, b := range slices.Backward(sum.Buckets) {
		one := shiftView{From: b.At, To: b.At.Add(shift), N: b.Messages}
		if one.Who, err = h.onDutyAt(ctx, b.At.Add(shift/2)); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// onDutyAt names who is on call at a moment, over all schedules; each person once.
func (h *Handler) onDutyAt(ctx context.Context, at time.Time) (string, error) {
	var names []string
	if h.o.OnCall == nil {
		return "", nil
	}
	for _, schedule := range h.schedules() {
		r, ok, err := h.o.OnCall.Roster(ctx, schedule)
		if err != nil {
			return "", err
		}
		if s := r.At(at); ok && s.Person != "" {
			names = append(names, h.o.Settings().Rules.Called(s.Person))
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", "), nil
}

// Shares of the attempts that worked, above which a channel is well, or at least works sometimes.
const (
	wellAbove  = .9
	worksAbove = .5
)

// channels says how each configured channel does, and each that was used.
func (h *Handler) channels(s cases.Summary) []channelView {
	known := map[string]cases.ChannelStatistics{}
	for _, name := range h.o.Settings().Channels {
		known[name] = cases.ChannelStatistics{Name: name}
	}
	for _, c := range s.Channels {
		known[c.Name] = c
	}
	var out []channelView
	for _, c := range known {
		v := channelView{ChannelStatistics: c, Class: "wait", Key: "webhook.page.channel.unused"}
		switch n := c.Sent + c.Failed; {
		case n == 0:
		case float64(c.Sent) > wellAbove*float64(n):
			v.Class, v.Key = "ok", "webhook.page.channel.healthy"
		case float64(c.Sent) > worksAbove*float64(n):
			v.Class, v.Key = "wait", "webhook.page.channel.degraded"
		default:
			v.Class, v.Key = "bad", "webhook.page.channel.down"
		}
		if h.o.Health != nil && slices.Contains(h.o.Settings().Channels, c.Name) { // by the newest messages, as the breaker sees it
			switch h.o.Health(c.Name).State {
			case policy.Healthy:
				v.Class, v.Key = "ok", "webhook.page.channel.healthy"
			case policy.Degraded:
				v.Class, v.Key = "wait", "webhook.page.channel.degraded"
			case policy.Down:
				v.Class, v.Key = "bad", "webhook.page.channel.down"
			}
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b channelView) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

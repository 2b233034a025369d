package plugin

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/casesapi"
	"github.com/foreshock/foreshock/pkg/message"
)

// cell makes a column of a table with its title in the query's language.
func (q *casesQuery) cell(name string, values any) *data.Field {
	f := data.NewField(name, nil, values)
	f.Config = &data.FieldConfig{DisplayNameFromDS: message.Text(q.Lang, "plugin.column.case."+name), Custom: widths[name]}
	return f
}

func each[T any](all []casesapi.Case, of func(casesapi.Case) T) []T {
	out := make([]T, len(all))
	for i, c := range all {
		out[i] = of(c)
	}
	return out
}

// orNull is a table cell: nil for no time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// tableFrames is a row for each case, newest first. The columns id and state are what an action of a table needs.
func (q *casesQuery) tableFrames(all []casesapi.Case) data.Frames {
	lasted := q.cell("seconds", each(all, func(c casesapi.Case) *float64 {
		if c.ResolvedAt.IsZero() {
			return nil
		}
		s := c.ResolvedAt.Sub(c.OpenedAt).Seconds()
		return &s
	}))
	lasted.Config.Unit = "dtdurations"
	return table(
		q.cell("grade", each(all, func(c casesapi.Case) string { return c.Grade })),
		q.cell("title", each(all, func(c casesapi.Case) string { return message.Plain(c.Title) })),
		q.cell("state", each(all, func(c casesapi.Case) string { return c.State })),
		q.cell("opened", each(all, func(c casesapi.Case) time.Time { return c.OpenedAt.Truncate(time.Second) })), // Grafana shows milliseconds where there are some
		q.cell("firing", each(all, func(c casesapi.Case) int64 { return int64(c.Firing) })),
		q.cell("alerts", each(all, func(c casesapi.Case) int64 { return int64(c.Total) })),
		q.cell("owner", each(all, func(c casesapi.Case) string { return message.Plain(c.Owner) })),
		q.cell("acknowledged", each(all, func(c casesapi.Case) string { return message.Plain(c.AckedBy) })),
		q.cell("resolved", each(all, func(c casesapi.Case) *time.Time { return orNull(c.ResolvedAt.Truncate(time.Second)) })),
		lasted,
		q.cell("why", each(all, func(c casesapi.Case) string { return message.Plain(c.GradeReason) })),
		q.cell("cluster", each(all, func(c casesapi.Case) string { return message.Plain(c.Cluster) })),
		q.cell("id", each(all, func(c casesapi.Case) string { return c.ID })),
	)
}

// annotationFrames is a region for each case, from its opening to its resolution; an open one ends at the end of the range.
func (q *casesQuery) annotationFrames(all []casesapi.Case, to time.Time) data.Frames {
	end := func(c casesapi.Case) time.Time {
		if c.ResolvedAt.IsZero() {
			if to.Before(c.OpenedAt) {
				return c.OpenedAt
			}
			return to
		}
		return c.ResolvedAt
	}
	frame := data.NewFrame("",
		data.NewField("time", nil, each(all, func(c casesapi.Case) time.Time { return c.OpenedAt })),
		data.NewField("timeEnd", nil, each(all, end)),
		data.NewField("title", nil, each(all, func(c casesapi.Case) string { return "[" + c.Grade + "] " + message.Plain(c.Title) })),
		data.NewField("text", nil, each(all, func(c casesapi.Case) string { return message.Plain(c.GradeReason) })),
		data.NewField("tags", nil, each(all, func(c casesapi.Case) string {
			return strings.Join([]string{"case", c.Grade, c.State, strings.ReplaceAll(message.Plain(c.Cluster), ",", " ")}, ",")
		})),
		data.NewField("id", nil, make([]int64, len(all))), // as in annotationFrames of an outcome
	)
	frame.Meta = &data.FrameMeta{Type: data.FrameTypeTable}
	return data.Frames{frame}
}

// curve is one line or kind of column over the buckets.
type curve struct {
	name, unit string
	labels     data.Labels
	columns    bool
	values     []*float64
}

// curves makes a frame of each.
func curves(s casesapi.Statistics, all []curve) data.Frames {
	times := make([]time.Time, len(s.Buckets))
	for i, b := range s.Buckets {
		times[i] = b.At
	}
	var frames data.Frames
	for _, c := range all {
		f := data.NewField("value", c.labels, c.values)
		f.Config = &data.FieldConfig{DisplayNameFromDS: c.name, Unit: c.unit, Interval: s.StepSeconds * 1000}
		if c.columns {
			f.Config.Custom = map[string]any{"drawStyle": "bars", "fillOpacity": 70, "barAlignment": 1, "stacking": map[string]any{"mode": "normal", "group": "A"}}
		}
		f.Config.SetMin(0)
		frame := data.NewFrame(c.name, data.NewField("time", nil, slices.Clone(times)), f)
		frame.Meta = &data.FrameMeta{Type: data.FrameTypeTimeSeriesMulti, TypeVersion: data.FrameTypeVersion{0, 1}, PreferredVisualization: data.VisTypeGraph}
		frames = append(frames, frame)
	}
	if len(frames) == 0 {
		frames = data.Frames{data.NewFrame("")}
	}
	return frames
}

func (q *casesQuery) text(key string) string { return message.Text(q.Lang, "plugin.case."+key) }

func pick(s casesapi.Statistics, of func(casesapi.Bucket) *float64) []*float64 {
	out := make([]*float64, len(s.Buckets))
	for i, b := range s.Buckets {
		out[i] = of(b)
	}
	return out
}

func whole(n int) *float64 {
	v := float64(n)
	return &v
}

// share is a ratio, nil where there is nothing to divide by.
func share(part, of int) *float64 {
	if of == 0 {
		return nil
	}
	v := float64(part) / float64(of)
	return &v
}

// countFrames are cases opened by grade, alerts, and messages, per bucket.
func (q *casesQuery) countFrames(s casesapi.Statistics) data.Frames {
	var all []curve
	for _, g := range []string{"P0", "P1", "P2", "P3"} {
		if len(q.Grade) > 0 && !slices.Contains(q.Grade, g) {
			continue
		}
		all = append(all, curve{q.text("opened") + " " + g, "", data.Labels{"what": "opened", "grade": g}, true, pick(s, func(b casesapi.Bucket) *float64 { return whole(b.Opened[g]) })})
	}
	return curves(s, append(all,
		curve{q.text("alerts"), "", data.Labels{"what": "alerts"}, false, pick(s, func(b casesapi.Bucket) *float64 { return whole(b.Alerts) })},
		curve{q.text("news"), "", data.Labels{"what": "news"}, false, pick(s, func(b casesapi.Bucket) *float64 { return whole(b.News) })},
		curve{q.text("messages"), "", data.Labels{"what": "messages"}, false, pick(s, func(b casesapi.Bucket) *float64 { return whole(b.Messages) })},
		curve{q.text("failures"), "", data.Labels{"what": "failures"}, false, pick(s, func(b casesapi.Bucket) *float64 { return whole(b.Failures) })},
	))
}

func mean(t casesapi.Times) *float64 {
	if t.N == 0 {
		return nil
	}
	return &t.Mean
}

// timeFrames are the mean times to acknowledge and to resolve of the cases opened in each bucket.
func (q *casesQuery) timeFrames(s casesapi.Statistics) data.Frames {
	return curves(s, []curve{
		{q.text("mtta"), "s", data.Labels{"what": "mtta"}, false, pick(s, func(b casesapi.Bucket) *float64 { return mean(b.MTTA) })},
		{q.text("mttr"), "s", data.Labels{"what": "mttr"}, false, pick(s, func(b casesapi.Bucket) *float64 { return mean(b.MTTR) })},
	})
}

// ratioFrames are how much was folded away in each bucket.
func (q *casesQuery) ratioFrames(s casesapi.Statistics) data.Frames {
	return curves(s, []curve{
		{q.text("dedup"), "percentunit", data.Labels{"what": "dedup"}, false, pick(s, func(b casesapi.Bucket) *float64 { return share(b.Alerts-b.News, b.Alerts) })},
		{q.text("compression"), "percentunit", data.Labels{"what": "compression"}, false, pick(s, func(b casesapi.Bucket) *float64 { return share(max(0, b.Alerts-b.Messages), b.Alerts) })},
		{q.text("storm"), "percentunit", data.Labels{"what": "storm"}, false, pick(s, func(b casesapi.Bucket) *float64 { return share(b.Storm, b.News) })},
	})
}

// delayFrames are the mean seconds of an attempt to send, by channel.
func (q *casesQuery) delayFrames(s casesapi.Statistics) data.Frames {
	names := map[string]bool{}
	for _, b := range s.Buckets {
		for name := range b.Latency {
			names[name] = true
		}
	}
	var all []curve
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, curve{message.Plain(name), "s", data.Labels{"channel": name}, false, pick(s, func(b casesapi.Bucket) *float64 {
			if v, ok := b.Latency[name]; ok {
				return &v
			}
			return nil
		})})
	}
	return curves(s, all)
}

// channelFrames is a row for each channel.
func (q *casesQuery) channelFrames(s casesapi.Statistics) data.Frames {
	n := len(s.Channels)
	name, sent, failed, rate := make([]string, n), make([]int64, n), make([]int64, n), make([]*float64, n)
	average, p90, last := make([]*float64, n), make([]*float64, n), make([]*time.Time, n)
	for i, c := range s.Channels {
		name[i], sent[i], failed[i], rate[i], last[i] = message.Plain(c.Name), int64(c.Sent), int64(c.Failed), share(c.Sent, c.Sent+c.Failed), orNull(c.LastGood)
		if c.Latency.N > 0 {
			average[i], p90[i] = &c.Latency.Mean, &c.Latency.P90
		}
	}
	health, seconds, slow := q.cell("worked", rate), q.cell("latency", average), q.cell("p90", p90)
	health.Config.Unit, seconds.Config.Unit, slow.Config.Unit = "percentunit", "s", "s"
	return table(q.cell("channel", name), health, q.cell("sent", sent), q.cell("failed", failed), seconds, slow, q.cell("last", last))
}

// openFrames is one number for each grade: how many cases are open now.
func openFrames(c casesapi.Counts) data.Frames {
	var frames data.Frames
	for _, g := range []string{"P0", "P1", "P2", "P3"} {
		f := data.NewField("value", data.Labels{"grade": g}, []float64{float64(c.OpenGrades[g])})
		f.Config = &data.FieldConfig{DisplayNameFromDS: g}
		frame := data.NewFrame(g, f)
		frame.Meta = &data.FrameMeta{Type: data.FrameTypeNumericMulti, TypeVersion: data.FrameTypeVersion{0, 1}}
		frames = append(frames, frame)
	}
	return frames
}

// totalFrames is one row with the figures of the whole range.
func (q *casesQuery) totalFrames(s casesapi.Statistics) data.Frames {
	one := func(name, unit string, v *float64) *data.Field {
		f := q.cell(name, []*float64{v})
		f.Config.Unit = unit
		return f
	}
	opened := 0
	for _, n := range s.Total.Opened {
		opened += n
	}
	return table(
		one("alerts-received", "", whole(s.Total.Alerts)), one("cases-opened", "", whole(opened)), one("messages-sent", "", whole(s.Total.Messages)),
		one("dedup", "percentunit", s.DedupRatio), one("compression", "percentunit", s.CompressionRatio), one("storm", "percentunit", s.StormRate),
		one("mtta", "s", mean(s.MTTA)), one("mttr", "s", mean(s.MTTR)),
	)
}

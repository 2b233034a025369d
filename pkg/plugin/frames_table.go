package plugin

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/series"
)

// row is one episode of one series.
type row struct {
	judged
	detect.Episode
	detail *detect.JointDetail // of a vector
}

// maxRows bounds the episodes of one answer; the newest are kept.
const maxRows = 5000

// rows returns the episodes of all series by their beginning, then by series. What it leaves out is told in a notice.
func (o *outcome) rows() []row {
	var rows []row
	for _, j := range o.judged {
		for i, e := range j.episodes {
			r := row{judged: j, Episode: e}
			if j.details != nil {
				r.detail = &j.details[i]
			}
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.Began, b.Began) })
	o.older = max(0, len(rows)-maxRows)
	return rows[o.older:]
}

// widths are those of columns in a table panel, in pixels: else all are alike, and of the reason only the beginning would be seen.
var widths = map[string]map[string]any{
	"start": {"width": 170}, "end": {"width": 170}, "reason": {"minWidth": 400, "wrapText": true}, "peak": {"width": 100}, "direction": {"width": 90},
}

func column[T any](rows []row, of func(row) T) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = of(r)
	}
	return out
}

func date(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// number64 is a table cell: nil where there is no value.
func number64(x float64) *float64 {
	if x != x {
		return nil
	}
	return &x
}

// intervalFrames returns one table of all episodes: start, end (null while open), series, reason in words, peak, direction, the values at
// the peak, and a column for each label.
func (o *outcome) intervalFrames() data.Frames {
	rows := o.rows()
	lang := o.query.Lang
	field := func(name string, values any) *data.Field {
		f := data.NewField(name, nil, values)
		f.Config = &data.FieldConfig{DisplayNameFromDS: message.Text(lang, "plugin.column."+name), Custom: widths[name]}
		return f
	}
	at := func(x func(detect.Episode) float64) []*float64 {
		return column(rows, func(r row) *float64 { return number64(x(r.Episode)) })
	}
	frame := data.NewFrame("",
		field("start", column(rows, func(r row) time.Time { return date(r.Began) })),
		field("end", column(rows, func(r row) *time.Time {
			if r.Ended == 0 {
				return nil
			}
			t := date(r.Ended)
			return &t
		})),
		field("series", column(rows, func(r row) string { return r.name })),
		field("reason", column(rows, func(r row) string { return o.reason(r) })),
		field("peak", at(func(e detect.Episode) float64 { return e.Peak })),
		field("direction", column(rows, o.direction)),
		field("value", at(func(e detect.Episode) float64 { return e.Actual })),
		field("expected", at(func(e detect.Episode) float64 { return e.Expected })),
		field("lower", at(func(e detect.Episode) float64 { return e.Lower })),
		field("upper", at(func(e detect.Episode) float64 { return e.Upper })),
	)
	frame.Fields[4].Config.SetDecimals(2)
	if o.joint {
		frame.Fields = append(frame.Fields, o.jointColumns(rows)...)
	}
	taken := map[string]bool{}
	for _, f := range frame.Fields {
		taken[f.Name] = true
	}
	for _, label := range labelNames(rows) {
		name := label
		for taken[name] {
			name = "label_" + name
		}
		taken[name] = true
		frame.Fields = append(frame.Fields, data.NewField(name, nil, column(rows, func(r row) string { return r.labels.Get(label) })))
	}
	frame.Meta = &data.FrameMeta{Type: data.FrameTypeTable, PreferredVisualization: data.VisTypeTable}
	return data.Frames{frame}
}

// direction is the side of an episode; of a vector, which has none, its kind.
func (o *outcome) direction(r row) string {
	if r.detail != nil {
		return message.Text(o.query.Lang, "plugin.break."+r.detail.Break.String())
	}
	return message.Text(o.query.Lang, "plugin.direction."+r.Direction)
}

func (o *outcome) reason(r row) string {
	if r.detail != nil {
		return r.detail.Explain(r.Episode, o.query.Lang, o.query.location(), o.shown.Step)
	}
	return r.Episode.Explain(o.query.Lang, o.query.location(), o.shown.Step)
}

// labelNames returns the names of all labels of the rows' series, sorted.
func labelNames(rows []row) []string {
	names := map[string]bool{}
	for _, r := range rows {
		for _, l := range r.labels {
			names[l.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// annotationFrames returns one annotation for each episode. Both times are always set: Grafana cannot draw a mixture of regions and
// points when the first row has no end. An open episode ends at the end of the shown range.
func (o *outcome) annotationFrames() data.Frames {
	rows := o.rows()
	until := o.shown.Start
	if o.shown.N > 0 {
		until = o.shown.At(o.shown.N - 1)
	}
	end := func(r row) time.Time {
		if r.Ended == 0 {
			return date(max(until, r.Began))
		}
		return date(r.Ended)
	}
	frame := data.NewFrame("",
		data.NewField("time", nil, column(rows, func(r row) time.Time { return date(r.Began) })),
		data.NewField("timeEnd", nil, column(rows, end)),
		data.NewField("title", nil, column(rows, func(r row) string {
			return message.Text(o.query.Lang, "plugin.annotation.title", "name", r.name, "direction", o.direction(r), "score", detect.Format(r.Peak))
		})),
		data.NewField("text", nil, column(rows, func(r row) string { return o.reason(r) })),
		data.NewField("tags", nil, column(rows, func(r row) string {
			if r.detail != nil {
				return tags(r.labels, r.detail.Break.String())
			}
			return tags(r.labels, r.Direction)
		})),
		// 0: these are no annotations of Grafana's own, which could be edited.
		data.NewField("id", nil, make([]int64, len(rows))),
	)
	frame.Meta = &data.FrameMeta{Type: data.FrameTypeTable}
	return data.Frames{frame}
}

// tags joins the metric's name and its labels as name:value; a comma in a value would split the tag.
func tags(ls series.Labels, direction string) string {
	out := []string{"anomaly", direction}
	for _, l := range ls {
		tag := l.Name + ":" + l.Value
		if l.Name == "__name__" {
			tag = l.Value
		}
		out = append(out, strings.ReplaceAll(tag, ",", " "))
	}
	return strings.Join(out, ",")
}

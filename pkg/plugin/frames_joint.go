package plugin

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/message"
)

// jointFrame returns the frame of one vector: time, score, anomaly, the contribution of each dimension to the score, stacked, and the values of the dimensions, which have
// units of their own and are for the tooltip.
func (o *outcome) jointFrame(name string, v detect.JointVerdicts, look look) *data.Frame {
	keep := thin(v.Verdicts, o.request.MaxDataPoints)
	labels := data.Labels(v.Vector.Labels.Map())
	field := func(role, display string, labels data.Labels, values []float64, custom map[string]any) *data.Field {
		f := data.NewField(role, labels, nullable(values, keep))
		f.Config = &data.FieldConfig{DisplayNameFromDS: display, Custom: custom}
		return f
	}
	text := func(key string, args ...any) string { return message.Text(o.query.Lang, "plugin.field."+key, args...) }
	score := field("score", text("score", "name", name), labels, v.Score, map[string]any{"drawStyle": "line", "lineWidth": look.width, "fillOpacity": 0, "showPoints": "never", "axisSoftMin": 0})
	score.Config.Color = map[string]any{"mode": "fixed", "fixedColor": look.line}
	score.Config.SetDecimals(2)
	high := make([]float64, len(v.Score))
	for i, x := range anomalies(v.Verdicts) {
		high[i] = x
		if x == x {
			high[i] = v.Score[i]
		}
	}
	anomaly := field("anomaly", text("anomaly", "name", name), labels, high, map[string]any{
		"drawStyle": "points", "pointSize": 8, "showPoints": "always", "lineWidth": 0, "fillOpacity": 0, "axisSoftMin": 0,
		"hideFrom": map[string]any{"legend": look.quiet, "tooltip": true, "viz": false},
	})
	anomaly.Config.Color = map[string]any{"mode": "fixed", "fixedColor": "red"}
	f := data.NewFrame(name, data.NewField("time", nil, times(v.Series.Grid, keep)), score, anomaly)
	of := func(dimension string) data.Labels {
		l := data.Labels(v.Vector.Labels.Map())
		l["dimension"] = dimension
		return l
	}
	for d, dimension := range v.Vector.Names {
		c := field("contribution", text("contribution", "name", name, "dimension", dimension), of(dimension), v.Contributions[d], map[string]any{
			"drawStyle": "line", "lineWidth": 0, "fillOpacity": 40, "showPoints": "never", "axisSoftMin": 0,
			"stacking": map[string]any{"mode": "normal", "group": o.request.RefID + " " + v.Vector.Labels.String()},
			"hideFrom": map[string]any{"legend": look.quiet, "tooltip": false, "viz": look.quiet},
		})
		c.Config.SetDecimals(2)
		f.Fields = append(f.Fields, c)
	}
	for d, dimension := range v.Vector.Names {
		f.Fields = append(f.Fields, field("value", text("dimension", "name", name, "dimension", dimension), of(dimension), v.Vector.Values[d], map[string]any{
			"axisPlacement": "hidden", "hideFrom": map[string]any{"legend": true, "tooltip": false, "viz": true},
		}))
	}
	return f
}

// jointColumns are the columns that a table of episodes of vectors has besides: the dimensions with their shares of the score, those with the largest first, and the first of them.
func (o *outcome) jointColumns(rows []row) []*data.Field {
	column := func(name string, of func(d detect.JointDetail) string) *data.Field {
		values := make([]string, len(rows))
		for i, r := range rows {
			if r.detail != nil {
				values[i] = of(*r.detail)
			}
		}
		f := data.NewField(name, nil, values)
		f.Config = &data.FieldConfig{DisplayNameFromDS: message.Text(o.query.Lang, "plugin.column."+name)}
		return f
	}
	return []*data.Field{
		column("dimension", func(d detect.JointDetail) string {
			if len(d.Parts) == 0 {
				return ""
			}
			return d.Parts[0].Name
		}),
		column("contributions", func(d detect.JointDetail) string {
			var parts []string
			for _, p := range d.Parts {
				parts = append(parts, fmt.Sprintf("%s %.0f %%", p.Name, 100*p.Share))
			}
			return strings.Join(parts, ", ")
		}),
	}
}

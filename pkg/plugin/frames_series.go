package plugin

import (
	"math"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/series"
)

// seriesFrame returns the frame of one series: time, actual, expected, lower, upper, score, anomaly. The field configuration draws it
// without any override in the panel: the band between lower and upper, anomalies as red points, the score in the tooltip only.
func (o *outcome) seriesFrame(name string, v detect.Verdicts, look look) *data.Frame {
	keep := thin(v, o.request.MaxDataPoints)
	labels := data.Labels(v.Series.Labels.Map())
	// The band is found by display name, over all queries of a panel: those of its edges have to be unique, and nobody sees them.
	unique := o.request.RefID + " " + v.Series.Labels.String()
	lower := unique + " lower"
	field := func(role, display string, values []float64, config map[string]any, color string) *data.Field {
		f := data.NewField(role, labels, nullable(values, keep))
		f.Config = &data.FieldConfig{DisplayNameFromDS: display, Color: map[string]any{"mode": "fixed", "fixedColor": color}, Custom: config}
		return f
	}
	lang := o.query.Lang
	named := func(key string) string { return message.Text(lang, key, "name", name) }
	edge := func(more map[string]any) map[string]any {
		c := map[string]any{
			"drawStyle": "line", "lineWidth": 0, "fillOpacity": 0, "showPoints": "never",
			"hideFrom": map[string]any{"legend": true, "tooltip": true, "viz": false},
		}
		for k, x := range more {
			c[k] = x
		}
		return c
	}
	score := field("score", named("plugin.field.score"), v.Score, edge(map[string]any{
		// Its own scale and no axis, so that it does not squash the values; invisible, but in the tooltip and for transformations.
		"axisPlacement": "hidden", "hideFrom": map[string]any{"legend": true, "tooltip": false, "viz": false},
	}), look.line)
	score.Config.SetMin(0).SetDecimals(2)
	return data.NewFrame(name,
		data.NewField("time", nil, times(v.Series.Grid, keep)),
		field("actual", name, v.Series.Values, map[string]any{"drawStyle": "line", "lineWidth": look.width, "fillOpacity": 0, "showPoints": "never"}, look.line),
		field("expected", named("plugin.field.expected"), v.Expected, map[string]any{
			"drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "lineStyle": map[string]any{"fill": "dash", "dash": []int{10, 10}},
			"hideFrom": map[string]any{"legend": look.quiet, "tooltip": false, "viz": false},
		}, look.expected),
		field("lower", lower, v.Lower, edge(nil), look.band),
		field("upper", unique+" upper", v.Upper, edge(map[string]any{"fillOpacity": look.fill, "fillBelowTo": lower}), look.band),
		score,
		field("anomaly", named("plugin.field.anomaly"), anomalies(v), map[string]any{
			"drawStyle": "points", "pointSize": 8, "showPoints": "always", "lineWidth": 0, "fillOpacity": 0,
			"hideFrom": map[string]any{"legend": look.quiet, "tooltip": true, "viz": false},
		}, "red"),
	)
}

// look is how a series is drawn.
type look struct {
	line, expected, band string
	width, fill          int
	quiet                bool // only the series itself is in the legend
}

// single is how a series is drawn that has the panel to itself.
var single = look{line: "blue", expected: "yellow", band: "semi-dark-green", width: 2, fill: 25}

// hues are Grafana's named colours but for red, which means an anomaly, and yellow, which is hard to see on white.
var hues = []string{"blue", "green", "purple", "orange", "semi-dark-blue", "semi-dark-green", "semi-dark-purple", "semi-dark-orange"}

// lookOf returns how series i of n is drawn. Each query of a panel begins with another hue, since it does not know of the others; only
// query A can think that it has the panel to itself.
func lookOf(refID string, i, n int) look {
	switch {
	case len(refID) != 1 || refID[0] < 'A' || refID[0] > 'Z':
		return many(i)
	case refID == "A" && n == 1:
		return single
	}
	return many(i + hueStep*int(refID[0]-'A'))
}

// hueStep has no divisor in common with the number of hues, so that as many queries begin with different ones.
const hueStep = 3

// many is how series i of several is drawn: all of it in one hue.
func many(i int) look {
	hue := hues[i%len(hues)]
	return look{line: hue, expected: hue, band: hue, width: 1, fill: 12, quiet: true}
}

// anomalies returns the values of the samples in an open episode, NaN elsewhere.
func anomalies(v detect.Verdicts) []float64 {
	out := make([]float64, len(v.Series.Values))
	for i, x := range v.Series.Values {
		out[i] = math.NaN()
		if v.Anomalous[i] {
			out[i] = x
		}
	}
	return out
}

// times returns the times of a grid: all, or those at the kept indices.
func times(g series.Grid, keep []int) []time.Time {
	if keep == nil {
		out := make([]time.Time, g.N)
		for i := range out {
			out[i] = time.UnixMilli(g.At(i)).UTC()
		}
		return out
	}
	out := make([]time.Time, len(keep))
	for k, i := range keep {
		out[k] = time.UnixMilli(g.At(i)).UTC()
	}
	return out
}

// nullable returns pointers to the values, nil for NaN: all, or copies of those at the kept indices, so that the rest can be freed.
func nullable(values []float64, keep []int) []*float64 {
	if keep != nil {
		kept := make([]float64, len(keep))
		for k, i := range keep {
			kept[k] = values[i]
		}
		values = kept
	}
	out := make([]*float64, len(values))
	for i := range values {
		if values[i] == values[i] {
			out[i] = &values[i]
		}
	}
	return out
}

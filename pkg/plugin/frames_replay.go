package plugin

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/message"
)

// cell makes a column of a table with its title in the query's language.
func (l *lookedBack) cell(name string, values any) *data.Field {
	f := data.NewField(name, nil, values)
	f.Config = &data.FieldConfig{DisplayNameFromDS: message.Text(l.query.Lang, "plugin.column."+name), Custom: widths[name]}
	return f
}

func table(fields ...*data.Field) data.Frames {
	frame := data.NewFrame("", fields...)
	frame.Meta = &data.FrameMeta{Type: data.FrameTypeTable, PreferredVisualization: data.VisTypeTable}
	return data.Frames{frame}
}

// weekFrames counts the episodes of each series by week: seven days each, back from the end, drawn at their beginning. Where incidents are known, only false ones count.
func (l *lookedBack) weekFrames(found []evaluate.Replayed) data.Frames {
	var frames data.Frames
	for i, f := range found {
		times, counts := make([]time.Time, len(f.Weeks)), make([]float64, len(f.Weeks))
		for k, w := range f.Weeks {
			times[k], counts[k] = weekTime(w), float64(w.False)
		}
		values := data.NewField("episodes", data.Labels(l.judged[i].labels.Map()), counts)
		values.Config = &data.FieldConfig{
			DisplayNameFromDS: l.judged[i].name, Custom: map[string]any{"drawStyle": "bars", "fillOpacity": 60, "barAlignment": 1},
		}
		values.Config.SetMin(0).SetDecimals(0)
		frame := data.NewFrame(l.judged[i].name, data.NewField("time", nil, times), values)
		frame.Meta = &data.FrameMeta{Type: data.FrameTypeTimeSeriesMulti, TypeVersion: data.FrameTypeVersion{0, 1}, PreferredVisualization: data.VisTypeGraph}
		frames = append(frames, frame)
	}
	if len(frames) == 0 {
		frames = data.Frames{data.NewFrame("")}
	}
	return frames
}

// rightColumn adds to the table of episodes which were right, by the incidents that are known.
func (l *lookedBack) rightColumn(frame *data.Frame, found []evaluate.Replayed) {
	type key struct {
		series    string
		confirmed int64
	}
	hits := map[key]bool{}
	for i, f := range found {
		for _, e := range f.Episodes {
			hits[key{l.judged[i].name, e.Confirmed}] = e.Hit
		}
	}
	var right []string
	for _, r := range l.rows() {
		verdict := "false"
		if hits[key{r.name, r.Confirmed}] {
			verdict = "hit"
		}
		right = append(right, message.Text(l.query.Lang, "plugin.right."+verdict))
	}
	frame.Fields = append(frame.Fields[:3:3], append([]*data.Field{l.cell("right", right)}, frame.Fields[3:]...)...)
}

// replayFrames is a table with a row for each series.
func (l *lookedBack) replayFrames(found []evaluate.Replayed) data.Frames {
	n := len(found)
	name, judged, episodes := make([]string, n), make([]float64, n), make([]int64, n)
	rate, low, high := make([]*float64, n), make([]*float64, n), make([]*float64, n)
	wrong, hits, missed, delay := make([]int64, n), make([]int64, n), make([]int64, n), make([]*float64, n)
	for i, f := range found {
		name[i], judged[i], episodes[i], wrong[i] = l.judged[i].name, f.Exposure, int64(len(f.Episodes)), int64(f.False())
		if f.Exposure > 0 {
			a, b := evaluate.RateInterval(f.False(), f.Exposure)
			rate[i], low[i], high[i] = number64(f.PerWeek()), number64(a), number64(b)
		}
		var delays []float64
		for _, x := range f.Incidents {
			if x.Hit {
				hits[i]++
				delays = append(delays, float64(x.Delay)/1000)
			} else {
				missed[i]++
			}
		}
		delay[i] = middle(delays)
	}
	fields := []*data.Field{
		l.cell("series", name), l.cell("weeks", judged), l.cell("episodes", episodes), l.cell("per-week", rate), l.cell("low", low), l.cell("high", high),
	}
	for _, f := range fields[3:] {
		f.Config.SetDecimals(2)
	}
	fields[1].Config.SetDecimals(2)
	if l.known {
		d := l.cell("delay", delay)
		d.Config.Unit = "s"
		fields = append(fields, l.cell("false", wrong), l.cell("hits", hits), l.cell("missed", missed), d)
	}
	return table(fields...)
}

// settingFrames is a table of the settings that a search tried; the chosen one has its texts.
func (l *lookedBack) settingFrames(s *evaluate.Searched, from evaluate.Asked) data.Frames {
	var tried []evaluate.Setting
	best := -1
	if s != nil {
		tried, best = s.Tried, s.Best
	}
	n := len(tried)
	chosen, budget, nm, rel := make([]string, n), make([]*float64, n), make([]string, n), make([]float64, n)
	episodes, rate, low, high, hits := make([]int64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]string, n)
	rule, query := make([]string, n), make([]string, n)
	for i, t := range tried {
		budget[i], nm[i], rel[i] = number64(t.Budget), strconv.Itoa(t.N)+"/"+strconv.Itoa(t.M), t.MinRel
		episodes[i], rate[i], low[i], high[i] = int64(t.Episodes), t.PerWeek, t.Low, t.High
		hits[i] = strconv.Itoa(t.Hits) + "/" + strconv.Itoa(t.Incidents)
		if i != best {
			continue
		}
		key := "plugin.chosen.met"
		if !s.Met {
			key = "plugin.chosen.not-met"
		}
		chosen[i] = message.Text(l.query.Lang, key)
		text, err1 := evaluate.RuleText("replayed", from, t.Judge)
		other, err2 := evaluate.QueryText(from, t.Judge)
		if errors.Join(err1, err2) == nil { // what was judged has both forms
			rule[i], query[i] = text, other
		}
	}
	return table(l.cell("chosen", chosen), l.cell("budget", budget), l.cell("n-of-m", nm), l.cell("min-rel", rel), l.cell("episodes", episodes), l.cell("per-week", rate),
		l.cell("low", low), l.cell("high", high), l.cell("hits", hits), l.cell("rule", rule), l.cell("query", query))
}

// middle returns the median of numbers, nil for none.
func middle(x []float64) *float64 {
	if len(x) == 0 {
		return nil
	}
	slices.Sort(x)
	return &x[(len(x)-1)/2]
}

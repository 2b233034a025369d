package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/chart"
	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// pictureSpan is what the picture shows from before the fault: enough of the ordinary to see that the fault is none of it.
const pictureSpan = 20 * time.Minute

// detectQuery is the query of the plugin that says the same as the scorer's rule shop-latency.
func detectQuery(output string) string {
	return fmt.Sprintf(`{"kind": "detect", "expr": %q, "detector": "seasonal", "step": "15s", "train": "7d",
		"policy": {"direction": "up", "min_rel": 0.2, "n": 2, "m": 3, "recover_samples": 4, "horizon": "6h"},
		"output": %q, "legend": "{{service}}"}`, latencyExpr, output)
}

// drawPicture asks the plugin for the verdicts on one service and draws them.
func (d *demo) drawPicture(ctx context.Context, service string) error {
	now := time.Now()
	from := d.story.injected.Add(-pictureSpan)
	frames, err := d.stack.plugin.query(ctx, detectQuery("series"), from, now, 10_000)
	if err != nil {
		return err
	}
	for _, f := range frames {
		v, err := verdictsOf(f, 15*time.Second)
		if err != nil {
			return err
		}
		if v.Series.Labels.Get("service") != service {
			continue
		}
		c := chart.Chart{
			Title: "Latency of " + service + " (s)", Subtitle: "detector seasonal, as the Grafana plugin answered", Verdicts: v,
			Marks: []chart.Mark{{At: d.story.injected.UnixMilli(), Text: "fault"}}, Zone: time.Local,
		}
		return c.Save(d.options.output)
	}
	return fmt.Errorf("the plugin answered nothing about %s", service)
}

// verdictsOf reads a frame of the plugin's output "series".
func verdictsOf(f *data.Frame, step time.Duration) (detect.Verdicts, error) {
	column := map[string][]float64{}
	var times []time.Time
	var labels data.Labels
	for _, field := range f.Fields {
		if field.Type().Time() {
			for i := range field.Len() {
				t, ok := field.ConcreteAt(i)
				if !ok {
					return detect.Verdicts{}, errors.New("the plugin answered a time that is null")
				}
				times = append(times, t.(time.Time))
			}
			continue
		}
		values := make([]float64, field.Len())
		for i := range values {
			x, err := field.NullableFloatAt(i)
			if err != nil {
				return detect.Verdicts{}, fmt.Errorf("field %s: %w", field.Name, err)
			}
			values[i] = math.NaN()
			if x != nil {
				values[i] = *x
			}
		}
		column[field.Name], labels = values, field.Labels
	}
	if len(times) == 0 {
		return detect.Verdicts{}, errors.New("the plugin answered no samples")
	}
	for _, name := range []string{"actual", "expected", "lower", "upper", "score", "anomaly"} {
		if len(column[name]) != len(times) {
			return detect.Verdicts{}, fmt.Errorf("the plugin's answer has no field %q", name)
		}
	}
	grid := series.Grid{Start: times[0].UnixMilli(), Step: step.Milliseconds(), N: len(times)}
	v := detect.Verdicts{
		Series:   series.Series{Labels: series.FromMap(labels), Grid: grid, Values: column["actual"]},
		Expected: column["expected"], Lower: column["lower"], Upper: column["upper"], Score: column["score"],
		Onset: make([]float64, len(times)), Anomalous: make([]bool, len(times)), State: make([]detect.State, len(times)),
	}
	for i, t := range times {
		if t.UnixMilli() != grid.At(i) {
			return detect.Verdicts{}, fmt.Errorf("sample %d of the plugin's answer is not on the grid", i)
		}
		v.Anomalous[i] = !math.IsNaN(column["anomaly"][i])
	}
	return v, nil
}

package plugin

import (
	"math"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
)

// latestFrame returns one number, for alert rules with the condition "is at or above 1": the newest score of a series, as the policy has
// it. A series that cannot be judged now has no number, never 0: nil.
func latestFrame(name string, v detect.Verdicts) *data.Frame {
	value, ok := latest(v)
	if !ok {
		return nil
	}
	f := data.NewField("score", data.Labels(v.Series.Labels.Map()), []float64{value})
	f.Config = (&data.FieldConfig{DisplayNameFromDS: name, Thresholds: &data.ThresholdsConfig{
		Mode:  data.ThresholdsModeAbsolute,
		Steps: []data.Threshold{data.NewThreshold(math.Inf(-1), "green", ""), data.NewThreshold(1, "red", "")},
	}}).SetMin(0).SetDecimals(2)
	return numeric(data.NewFrame(name, f))
}

func numeric(f *data.Frame) *data.Frame {
	f.Meta = &data.FrameMeta{Type: data.FrameTypeNumericMulti, TypeVersion: data.FrameTypeVersion{0, 1}}
	return f
}

// below is the largest value that does not alarm.
var below = math.Nextafter(1, 0)

// latest returns the score of the newest sample such that 1 and above means an open episode: a score alone alarms nobody when the
// policy asks for three of five. Samples missing at the end are passed over, since the newest is often not scraped yet; any other reason
// not to judge the newest sample is one not to tell a number.
func latest(v detect.Verdicts) (float64, bool) {
	for i := len(v.Score) - 1; i >= 0; i-- {
		score := v.Score[i]
		switch {
		case v.State[i] == detect.Gap || v.State[i] == detect.Stale && !v.Anomalous[i]:
			continue
		case score != score:
			return 0, false
		case v.Anomalous[i]:
			return max(1, score), true
		}
		return min(score, below), true
	}
	return 0, false
}

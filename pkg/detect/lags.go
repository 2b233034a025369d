package detect

import (
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// lagged turns each sample into what it is beside the samples before it. A raw value says little: 5 is much after an hour of 1 and little after an hour of 9.
// Each feature is brought to its own median and usual deviation.
type lagged struct {
	base scaling
	each [features]scaling
}

const (
	// features is how many numbers describe a sample: its level; how far it is from the mean of the last 1, 5, 15 and 60 samples before it; how far the mean of the
	// last 5 samples is from that of the 60 before those; and the deviation in the last 5 and 15 samples.
	features = 8
	// lagContext is how many earlier samples they look at.
	lagContext = 65
)

// laggedOf learns the scales from a sample of them, most at the most, drawn evenly from those that are no gaps, and returns their features, one after another.
func laggedOf(train series.Series, most int) (lagged, []float64) {
	l := lagged{base: scalingOf(train.Values)}
	raw := rawFeatures(l.base.of(train.Values))
	drawn := drawWindows(presentRuns(train.Values), 1, most, seeded(train))
	column := make([]float64, len(drawn))
	for k := range l.each {
		for j, i := range drawn {
			column[j] = raw[i*features+k]
		}
		l.each[k] = scalingOf(column)
	}
	rows := make([]float64, 0, len(drawn)*features)
	for _, i := range drawn {
		rows = append(rows, raw[i*features:(i+1)*features]...)
	}
	l.scale(rows)
	return l, rows
}

// of returns the features of every sample, one after another. Those of a gap are of the sample before it.
func (l lagged) of(values []float64) []float64 {
	raw := rawFeatures(l.base.of(values))
	l.scale(raw)
	return raw
}

// scale brings raw features to their own medians and usual deviations.
func (l lagged) scale(raw []float64) {
	for i := 0; i < len(raw); i += features {
		for k, c := range l.each {
			raw[i+k] = min(max((raw[i+k]-c.center)/c.scale, -farthest), farthest)
		}
	}
}

// rawFeatures returns the features of scaled samples; before the first one lie as many of its value as are needed.
func rawFeatures(values []float64) []float64 {
	n := len(values)
	if n == 0 {
		return nil
	}
	padded := make([]float64, lagContext+n)
	for i := range lagContext {
		padded[i] = values[0]
	}
	copy(padded[lagContext:], values)
	// before(w, ago) is the mean of w samples, the last of which lies ago samples before.
	before := func(w, ago int) []float64 {
		sums := slidingSums(padded, w)
		return sums[lagContext-ago-w+1:]
	}
	m5, m15, m60, now5, m60ago5 := before(5, 1), before(15, 1), before(60, 1), before(5, 0), before(60, 5)
	_, d5 := moments(padded[lagContext-4:], 5)
	_, d15 := moments(padded[lagContext-14:], 15)
	out := make([]float64, n*features)
	for i, x := range values {
		f := out[i*features : (i+1)*features : (i+1)*features]
		f[0] = x
		f[1] = x - padded[lagContext+i-1]
		f[2] = x - m5[i]/5
		f[3] = x - m15[i]/15
		f[4] = x - m60[i]/60
		f[5] = now5[i]/5 - m60ago5[i]/60
		f[6], f[7] = d5[i], d15[i]
	}
	return out
}

// presentRuns returns the stretches [from, to) without gaps.
func presentRuns(values []float64) [][2]int {
	var out [][2]int
	for i, x := range values {
		switch {
		case x != x:
		case i > 0 && values[i-1] == values[i-1]:
			out[len(out)-1][1] = i + 1
		default:
			out = append(out, [2]int{i, i + 1})
		}
	}
	return out
}

func (l lagged) write(w wire.Writer) wire.Writer {
	w = l.base.write(w)
	for _, c := range l.each {
		w = c.write(w)
	}
	return w
}

func readLagged(r *wire.Reader) lagged {
	l := lagged{base: readScaling(r)}
	for k := range l.each {
		l.each[k] = readScaling(r)
	}
	return l
}

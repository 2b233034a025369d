package plugin

import (
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/prom"
)

// gapShare is the share of missing samples of a series from which gaps are told in a notice: a restart now and then is no news.
const gapShare = 0.05

// tally counts what could not be judged, by state.
type tally struct {
	series, samples, of int
	// worst is the largest share of its samples that a series has in this state.
	worst float64
}

// describe writes into the first frame what was asked, what is to be known about the data, and what it cost.
func (o *outcome) describe(frames data.Frames) {
	first := frames[0]
	if first.Meta == nil {
		first.Meta = &data.FrameMeta{}
	}
	executed := o.query.executed(o.expr)
	for _, f := range frames {
		if f.Meta == nil {
			f.Meta = &data.FrameMeta{}
		}
		f.Meta.ExecutedQueryString = executed
	}
	if o.query.Output == outputSeries {
		first.Meta.PreferredVisualization = data.VisTypeGraph
	}
	states := o.tally()
	first.Meta.Notices = joined(o.notices(states))
	first.Meta.Stats = o.stats()
	first.Meta.Custom = o.custom(states)
}

// tally counts the samples in each state over all series.
func (o *outcome) tally() map[detect.State]tally {
	out := map[detect.State]tally{}
	for _, j := range o.judged {
		for _, n := range j.notices {
			t := out[n.State]
			t.series++
			t.samples += n.Samples
			t.of += n.Of
			t.worst = max(t.worst, float64(n.Samples)/float64(n.Of))
			out[n.State] = t
		}
	}
	return out
}

// Custom is what the inspector shows under "custom" of the first frame, for people and programs that want exact counts.
type Custom struct {
	Step         string         `json:"step"`
	Series       int            `json:"series"`
	SeriesAbsent int            `json:"seriesAbsent"`
	SeriesCut    int            `json:"seriesCut"`
	States       map[string]int `json:"states"`
	FitBytes     int64          `json:"fitBytes"`
	FitModels    int            `json:"fitModels"`
}

func (o *outcome) custom(states map[detect.State]tally) Custom {
	c := Custom{
		Step: o.query.Step.String(), Series: len(o.judged), SeriesAbsent: o.absent, SeriesCut: o.cut, States: map[string]int{},
		FitBytes: o.fits.Bytes, FitModels: o.fits.Models,
	}
	total := len(o.judged) * o.shown.N
	for st, t := range states {
		c.States[st.String()] = t.samples
		total -= t.samples
	}
	c.States[detect.OK.String()] = total
	return c
}

func (o *outcome) notices(states map[detect.State]tally) []data.Notice {
	var out []data.Notice
	say := func(severity data.NoticeSeverity, key string, args ...any) {
		out = append(out, data.Notice{Severity: severity, Text: message.Text(o.query.Lang, "plugin.notice."+key, args...)})
	}
	info, warning := data.NoticeSeverityInfo, data.NoticeSeverityWarning
	switch {
	case o.shown.N == 0:
		say(info, "future")
	case len(o.answer.Set.Members) == 0:
		say(info, "empty")
	case len(o.judged) == 0:
		say(info, "nothing-now", "count", o.absent)
	}
	if n := o.unfit.Load(); n > 0 {
		say(warning, "unfit", "series", n, "all", len(o.judged))
	}
	if o.cut > 0 {
		say(warning, "cut", "shown", len(o.judged), "all", len(o.judged)+o.cut, "limit", o.request.Settings.MaxSeries)
	}
	if o.older > 0 {
		say(warning, "older", "shown", maxRows, "all", maxRows+o.older)
	}
	if at, ok := o.history.Cut(o.answer.Set); ok {
		say(info, "history-cut", "time", date(at).In(o.query.location()).Format("2006-01-02 15:04"), "train", o.query.Train)
	}
	for _, n := range o.answer.Notices {
		out = append(out, data.Notice{Severity: warning, Text: promNotice(o.query.Lang, n)})
	}
	for _, st := range detect.States() {
		t, ok := states[st]
		if !ok || st == detect.Gap && t.worst < o.gapsFrom() {
			continue
		}
		severity := info
		if st == detect.HistoryGone || st == detect.TooShort {
			severity = warning
		}
		say(severity, st.String(), "series", t.series, "all", len(o.judged), "samples", t.samples, "of", len(o.judged)*o.shown.N,
			"train", o.query.Train, "min_train", o.query.MinTrain, "horizon", o.query.policy.Horizon)
	}
	if n := beaten(o.judged); n > 0 {
		say(info, "floor", "series", n, "all", len(o.judged), "detector", o.query.Detector)
	}
	if text := chosen(o.query.Lang, o.judged); text != "" {
		out = append(out, data.Notice{Severity: info, Text: text})
	}
	for _, w := range o.answer.Warnings {
		say(warning, "prometheus", "text", w)
	}
	for _, i := range o.answer.Infos {
		say(info, "prometheus", "text", i)
	}
	return out
}

// gapsFrom returns the share of missing samples of a series from which they are told. That the newest is not there yet is no news where
// only the latest are asked for.
func (o *outcome) gapsFrom() float64 {
	if o.query.Output == outputLatest {
		return 1
	}
	return gapShare
}

// joined makes one notice of all of the same severity: of several, a panel of Grafana shows only the last.
func joined(notices []data.Notice) []data.Notice {
	var out []data.Notice
	for _, severity := range []data.NoticeSeverity{data.NoticeSeverityWarning, data.NoticeSeverityInfo} {
		var texts []string
		for _, n := range notices {
			if n.Severity == severity {
				texts = append(texts, n.Text)
			}
		}
		switch len(texts) {
		case 0:
		case 1:
			out = append(out, data.Notice{Severity: severity, Text: texts[0]})
		default:
			out = append(out, data.Notice{Severity: severity, Text: "• " + strings.Join(texts, " • ")})
		}
	}
	return out
}

func (o *outcome) stats() []data.QueryStat {
	stat := func(key string, value float64, unit string) data.QueryStat {
		return data.QueryStat{FieldConfig: data.FieldConfig{DisplayName: message.Text(o.query.Lang, "plugin.stat."+key), Unit: unit}, Value: value}
	}
	fetched := 0
	for _, s := range o.answer.Set.Members {
		fetched += s.Grid.N
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return []data.QueryStat{
		stat("series", float64(len(o.judged)), ""),
		stat("false", expectedFalse(o.judged), ""),
		stat("judged", float64(len(o.judged)*o.shown.N), "short"),
		stat("fetched", float64(fetched), "short"),
		stat("fits", float64(o.fits.Misses), ""),
		stat("hits", float64(o.fits.Hits), ""),
		stat("asking", ms(o.asking), "ms"),
		stat("judging", ms(o.judging), "ms"),
	}
}

// beaten counts the series whose model is no better than the value one period before.
func beaten(all []judged) int {
	n := 0
	for _, j := range all {
		if j.beaten {
			n++
		}
	}
	return n
}

// chosen tells what the detector chose: for one series with its reason, for several how often each reason held; empty where there was no choice.
func chosen(lang string, all []judged) string {
	if len(all) == 1 {
		return all[0].choice.Text(lang)
	}
	by, n := map[string]int{}, 0
	for _, j := range all {
		if j.choice.Reason != "" {
			by[j.choice.Reason]++
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return message.Text(lang, "plugin.notice.choices", "season", by[detect.ReasonSeason], "level", by[detect.ReasonLevel], "young", by[detect.ReasonYoung], "sparse", by[detect.ReasonSparse])
}

// expectedFalse is how many false episodes a week the thresholds of all series together are expected to let through.
func expectedFalse(all []judged) float64 {
	sum := 0.0
	for _, j := range all {
		sum += j.promise.Budget
	}
	return sum
}

// promNotice returns what a notice of the client says in the query's language; one that the catalogue does not know says it in English.
func promNotice(lang string, n prom.Notice) string {
	key := "plugin.notice.source." + strings.ReplaceAll(string(n.Kind), " ", "-")
	if !message.Has(key) {
		return n.Text
	}
	return message.Text(lang, key, "count", n.Count)
}

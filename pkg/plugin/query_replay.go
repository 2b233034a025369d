package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/casesapi"
	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func init() {
	Kinds.Add(registry.Entry[Kind]{
		Name:    "replay",
		Summary: "Runs this detector and policy again over the last days, through the code that judges live: every episode it would have raised, and a setting for a wanted rate.",
		Source:  "docs/plugin.md",
		New: func() Kind {
			return &replayQuery{severalQuery: newSeveralQuery(), Last: 14 * registry.Day}
		},
	})
}

// The outputs that only replays and self-tests have.
const (
	outputSummary = "summary"
	outputSetting = "setting"
	outputSizes   = "sizes"
)

// replayQuery asks what a detector would have raised.
type replayQuery struct {
	severalQuery
	Last      registry.Duration `json:"last" min:"3600" max:"31536000" help:"How far back, from the end of the shown range."`
	Incidents string            `json:"incidents" help:"PromQL that is not zero while something was known to be wrong: tells hits, misses and delays. Its labels choose the series."`
	Cases     string            `json:"cases" help:"Past cases of the webhook tell what was wrong, too: those with these labels, like {service=\"checkout\"}; {} is all, empty none. A case concerns the series that agree with it in the labels that both have."`
	Wanted    float64           `json:"wanted" min:"0" max:"1000" unit:"episodes/week" help:"Search the setting that raises at most so many false episodes a week and series; 0: no search."`
}

// Validate checks the matchers too.
func (q *replayQuery) Validate() error {
	if strings.TrimSpace(q.Cases) != "" {
		if _, err := casesapi.ParseSelector(q.Cases); err != nil {
			return fmt.Errorf("parameter \"cases\": %w", err)
		}
	}
	return q.severalQuery.Validate()
}

// known is where a look back finds what was wrong: PromQL, and past cases by their labels.
type known struct{ incidents, cases string }

func (k known) any() bool { return strings.TrimSpace(k.incidents+k.cases) != "" }

// pastCases asks the webhook for the chosen cases of the shown range, none where nobody chose any.
func (l *lookedBack) pastCases(ctx context.Context, chosen string) ([]evaluate.PastCase, error) {
	if strings.TrimSpace(chosen) == "" {
		return nil, nil
	}
	if l.request.Cases == nil {
		return nil, inputError{errNoWebhook}
	}
	selector, err := casesapi.ParseSelector(chosen)
	if err != nil {
		return nil, inputError{fmt.Errorf("parameter \"cases\": %w", err)}
	}
	to := date(l.shown.At(l.shown.N - 1))
	past, more, err := l.request.Cases.Past(ctx, selector, date(l.shown.Start), to)
	if err != nil {
		return nil, err
	}
	if more {
		l.answer.Warnings = append(slices.Clip(l.answer.Warnings), message.Text(l.query.Lang, "plugin.cases-cut", "n", strconv.Itoa(len(past))))
	}
	out := make([]evaluate.PastCase, len(past))
	for i, c := range past {
		began, ended := c.Span(to)
		out[i] = evaluate.PastCase{Incident: evaluate.Incident{From: began.UnixMilli(), To: ended.UnixMilli()}, Labels: c.SeriesLabels()}
	}
	return out, nil
}

// Outputs lists the forms of the answer.
func (q *replayQuery) Outputs() []string {
	return []string{outputSeries, outputIntervals, outputSummary, outputSetting, outputAnnotations}
}

// lookBack returns the grid of the last part of the shown range that can have samples.
func (q *detectQuery) lookBack(r Request, last registry.Duration) (series.Grid, error) {
	step := q.Step.Milliseconds()
	to := series.Floor(min(r.To, r.Now.Add(-r.Settings.Settle.Std()).UnixMilli()), step)
	if n := last.Milliseconds() / step; n > maxPoints {
		return series.Grid{}, fmt.Errorf("parameter \"last\": got %s, which makes %d samples of each series, want at most %d", last, n, maxPoints)
	}
	return series.GridOver(to-last.Milliseconds()+step, to, step), nil
}

// lookedBack is a query over the last days on its way: what is judged, and what was known to be wrong.
type lookedBack struct {
	*outcome
	cases []evaluate.Case
	known bool
}

// gather fetches what is to be looked back over. What divides a vector says what of it is: all at once, or each dimension.
func (q *severalQuery) gather(ctx context.Context, r Request, last registry.Duration, from known, divide func(series.Vector) []evaluate.Case) (*lookedBack, error) {
	values := macros(q.Step, q.Train, r.Settings.TimeInterval)
	shown, err := q.lookBack(r, last)
	if err != nil {
		return nil, inputError{err}
	}
	l := &lookedBack{outcome: &outcome{query: &q.detectQuery, request: r, shown: shown, joint: q.Of == evaluate.ShapeJoint}, known: from.any()}
	found, err := q.cases(ctx, l, divide)
	if err != nil {
		return nil, err
	}
	cases, err := l.pastCases(ctx, from.cases)
	if err != nil {
		return nil, err
	}
	var told []series.Series
	if strings.TrimSpace(from.incidents) != "" {
		wrong, err := expandAs("incidents", from.incidents, values)
		if err != nil {
			return nil, inputError{err}
		}
		answer, err := r.Source.Range(ctx, wrong, shown)
		if err != nil {
			return nil, fmt.Errorf("incidents: %w", err)
		}
		l.remarks(answer)
		told = answer.Set.Members
	}
	for _, c := range found {
		if l.known {
			c.Incidents = evaluate.Joined(evaluate.IncidentsOf(c.Series.Labels, told), evaluate.IncidentsAbout(c.Series.Labels, cases))
		}
		l.cases = append(l.cases, c)
	}
	l.judged = make([]judged, len(l.cases))
	return l, nil
}

// judgeOf returns what judges.
func (q *severalQuery) judgeOf(l *lookedBack, fits *detect.Fits) evaluate.Judge {
	judge := q.judge
	judge.Walk, judge.Policy, judge.Fits, judge.HistoryStart = q.Walk, q.policy, fits, l.history.Start(l.request.Now.UnixMilli())
	return judge
}

// searchBytes is the memory for models of a search: it makes many that no panel asks for again.
const searchBytes = 64 << 20

// Run replays, and writes the frames.
func (q *replayQuery) Run(ctx context.Context, r Request) (data.Frames, error) {
	if q.Output == outputSetting && q.Wanted <= 0 {
		return nil, inputError{fmt.Errorf("parameter \"wanted\": got 0, want the number of false episodes a week that the setting is to keep to")}
	}
	l, err := q.gather(ctx, r, q.Last, known{q.Incidents, q.Cases}, func(v series.Vector) []evaluate.Case { return []evaluate.Case{evaluate.VectorCase(v)} })
	if err != nil {
		return nil, err
	}
	replay := evaluate.Replay{Judge: q.judgeOf(l, r.Fits)}
	var searched *evaluate.Searched
	if q.Wanted > 0 && len(l.cases) > 0 {
		replay.Judge.Fits = detect.NewFits(searchBytes)
		found, err := replay.Search(ctx, l.cases, q.Wanted)
		if errors.Is(err, evaluate.ErrNothingJudged) {
			return nil, inputError{fmt.Errorf("parameter \"last\": got %s: %w", q.Last, err)}
		}
		if err != nil {
			return nil, tooMany(fmt.Errorf("search a setting: %w", err))
		}
		searched = &found
		fits := replay.Judge.Fits
		replay.Judge = found.Chosen().Judge
		replay.Judge.Fits = fits
	}
	found := make([]evaluate.Replayed, len(l.cases))
	var mu sync.Mutex
	err = l.timed(func() error {
		return replay.All(ctx, l.cases, func(i int, one evaluate.Replayed) {
			c := l.cases[i]
			kept := judged{name: l.nameOf(c), labels: c.Series.Labels, notices: one.Verdicts.Notices, promise: one.Verdicts.Calibration}
			for _, e := range one.Episodes {
				kept.episodes = append(kept.episodes, e.Episode)
				if e.Detail != nil {
					kept.details = append(kept.details, *e.Detail)
				}
			}
			one.Verdicts, one.Joint = detect.Verdicts{}, nil
			mu.Lock()
			defer mu.Unlock()
			l.judged[i], found[i] = kept, one
		})
	})
	if err != nil {
		return nil, tooMany(err)
	}
	var frames data.Frames
	switch q.Output {
	case outputSeries:
		frames = l.weekFrames(found)
	case outputIntervals:
		frames = l.intervalFrames()
		if l.known {
			l.rightColumn(frames[0], found)
		}
	case outputAnnotations:
		frames = l.annotationFrames()
	case outputSummary:
		frames = l.replayFrames(found)
	case outputSetting:
		frames = l.settingFrames(searched, q.asked())
	}
	l.describe(frames)
	return frames, nil
}

// weekTime is when a week is drawn.
func weekTime(w evaluate.Week) time.Time { return date(w.From) }

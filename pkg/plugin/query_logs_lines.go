package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/logs"
	"github.com/foreshock/foreshock/pkg/loki"
	"github.com/foreshock/foreshock/pkg/series"
)

// mined is what the lines of Loki were mined to.
type mined struct {
	lines []loki.Entry
	ids   []logs.ID // of each line, as of the end
	miner *logs.Miner
}

// fromLines mines the lines that the LogQL selects: those of the shown range, and for questions about what is usual those of the time before it.
func (a *logsAnswer) fromLines(ctx context.Context) (data.Frames, error) {
	if a.r.Loki == nil {
		return nil, inputError{errors.New("parameter \"logql\": the data source has no address of Loki; enter one in its settings")}
	}
	if a.grid.N == 0 {
		return nil, nil
	}
	from := a.grid.Start - a.grid.Step // a sample at t counts what came in the step before t
	if a.q.Output == outputNew || a.q.Output == outputSequences {
		from -= a.q.Before.Milliseconds()
	}
	a.asked = append(a.asked, a.q.LogQL)
	answer, err := a.r.Loki.Lines(ctx, a.q.LogQL, date(from), date(a.grid.At(a.grid.N-1)), a.q.MaxLines)
	if err != nil {
		return nil, err
	}
	if answer.Cut {
		a.say(data.NoticeSeverityWarning, "plugin.logs.older", "limit", a.q.MaxLines, "since", answer.Entries[0].At.Format(time.RFC3339))
	}
	if answer.Lost {
		a.say(data.NoticeSeverityWarning, "plugin.logs.lost")
	}
	m, err := mine(answer.Entries)
	if err != nil || len(m.lines) == 0 {
		return nil, err
	}
	for _, t := range m.miner.Templates() {
		a.texts[t.ID.String()] = t.Text
	}
	a.say(data.NoticeSeverityInfo, "plugin.logs.lines", "lines", len(m.lines), "templates", m.miner.Stats().Templates)
	switch a.q.Output {
	case outputNew:
		return a.newFromLines(m), nil
	case outputHistory:
		return a.historyFromLines(m), nil
	case outputSequences:
		return a.sequencesFromLines(m)
	case outputFlow:
		return a.graph(flowOf(sessionsOf(m, a.q))), nil
	}
	return a.drawn(a.counted(m, func(i int) map[string]string { return map[string]string{"template_id": m.ids[i].String()} })), nil
}

// mine finds the templates of lines. Templates change while they are found, so that a line's template is only known in the end.
func mine(lines []loki.Entry) (*mined, error) {
	o := logs.DefaultOptions()
	miner, err := logs.New(o)
	if err != nil {
		return nil, fmt.Errorf("mine log templates: %w", err)
	}
	m := &mined{lines: lines, ids: make([]logs.ID, len(lines)), miner: miner}
	for i, e := range lines {
		m.ids[i] = miner.Add([]byte(e.Line), e.At).ID
	}
	for i, id := range m.ids {
		m.ids[i] = miner.Resolve(id)
	}
	return m, nil
}

// counted counts lines by labels on the grid: a sample at t counts those of the step before it.
func (a *logsAnswer) counted(m *mined, labels func(i int) map[string]string) []series.Series {
	at := map[string]int{}
	var out []series.Series
	for i, e := range m.lines {
		k, ok := a.grid.Index(series.Floor(e.At.UnixMilli(), a.grid.Step) + a.grid.Step)
		if !ok {
			continue
		}
		ls := series.FromMap(labels(i))
		n, ok := at[ls.String()]
		if !ok {
			n = len(out)
			at[ls.String()] = n
			s := series.New(ls, a.grid)
			clear(s.Values) // no line is zero lines
			out = append(out, s)
		}
		out[n].Values[k]++
	}
	slices.SortFunc(out, func(x, y series.Series) int { return x.Labels.Compare(y.Labels) })
	return out
}

// begins is the first time that counts as shown.
func (a *logsAnswer) begins() time.Time { return date(a.grid.Start - a.grid.Step) }

func (a *logsAnswer) newFromLines(m *mined) data.Frames {
	rows := map[logs.ID]*logRow{}
	for i, e := range m.lines {
		id := m.ids[i]
		if rows[id] == nil {
			rows[id] = &logRow{id: id.String(), text: a.text(id.String()), first: e.At.UnixMilli(), rarity: m.miner.Rarity(id), isNew: !e.At.Before(a.begins())}
		}
		if !e.At.Before(a.begins()) {
			rows[id].messages++
		}
	}
	young := !m.lines[0].At.Before(a.begins())
	if young {
		a.say(data.NoticeSeverityInfo, "plugin.logs.young", "before", a.q.Before.String())
	}
	var out []logRow
	for _, r := range rows {
		r.isNew = r.isNew && !young
		if r.messages > 0 && (r.isNew || r.rarity >= a.q.Rare) {
			out = append(out, *r)
		}
	}
	return a.logTable(out)
}

func (a *logsAnswer) historyFromLines(m *mined) data.Frames {
	kept := &mined{}
	for i, id := range m.ids {
		if id.String() == a.q.Template {
			kept.lines, kept.ids = append(kept.lines, m.lines[i]), append(kept.ids, id)
		}
	}
	var frames data.Frames
	for _, s := range a.counted(kept, func(i int) map[string]string {
		ls := kept.lines[i].Labels
		return map[string]string{"level": cmp.Or(ls.Get("detected_level"), ls.Get("level"), "unknown")}
	}) {
		frames = append(frames, a.line(s, s.Labels.Get("level"), s.Labels.Map()))
	}
	if len(frames) > 0 {
		a.say(data.NoticeSeverityInfo, "plugin.logs.template", "template", a.text(a.q.Template))
	}
	return frames
}

// logSession is the lines with one key.
type logSession struct {
	key   string
	lines []int
	ids   []logs.ID
}

// sessionsOf puts lines together by their key, in the order in which the sessions begin.
func sessionsOf(m *mined, q *logsQuery) []*logSession {
	at := map[string]*logSession{}
	var out []*logSession
	for i, e := range m.lines {
		found := q.key.FindStringSubmatch(e.Line)
		if found == nil {
			continue
		}
		key := found[len(found)-1]
		s := at[key]
		if s == nil {
			s = &logSession{key: key}
			at[key] = s
			out = append(out, s)
		}
		s.lines, s.ids = append(s.lines, i), append(s.ids, m.ids[i])
	}
	return out
}

// fewSessions is the least that there is to learn from.
const fewSessions = 10

// sequencesFromLines learns from the sessions that ended before the shown range, and is a table of those in it that take an unusual path.
func (a *logsAnswer) sequencesFromLines(m *mined) (data.Frames, error) {
	var train [][]logs.ID
	var judge []*logSession
	for _, s := range sessionsOf(m, a.q) {
		if m.lines[s.lines[len(s.lines)-1]].At.Before(a.begins()) {
			train = append(train, s.ids)
		} else {
			judge = append(judge, s)
		}
	}
	if len(train) < fewSessions {
		a.say(data.NoticeSeverityWarning, "plugin.logs.few", "sessions", len(train))
		return a.sessionTable(m, nil, nil), nil
	}
	detector, err := logs.Sequences.New(a.q.Model, nil)
	if err != nil {
		return nil, inputError{err}
	}
	model, err := detector.Fit(train)
	if err != nil {
		return nil, fmt.Errorf("sequence model %s: %w", a.q.Model, err)
	}
	var abnormal []*logSession
	var verdicts []logs.Verdict
	for _, s := range judge {
		if v := model.Score(s.ids); v.Anomalous() {
			abnormal, verdicts = append(abnormal, s), append(verdicts, v)
		}
	}
	a.say(data.NoticeSeverityInfo, "plugin.logs.judged", "judged", len(judge), "abnormal", len(abnormal), "learnt", len(train))
	return a.sessionTable(m, abnormal, verdicts), nil
}

func (a *logsAnswer) sessionTable(m *mined, sessions []*logSession, verdicts []logs.Verdict) data.Frames {
	order := make([]int, len(sessions))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(verdicts[y].Score, verdicts[x].Score) })
	if n := len(order); n > mostLogRows {
		a.say(data.NoticeSeverityWarning, "plugin.notice.older", "shown", mostLogRows, "all", n)
		order = order[:mostLogRows]
	}
	n := len(order)
	start, key, step, line := make([]time.Time, n), make([]string, n), make([]string, n), make([]string, n)
	score, length := make([]float64, n), make([]int64, n)
	for i, k := range order {
		s, v := sessions[k], verdicts[k]
		start[i], key[i], score[i], length[i] = m.lines[s.lines[0]].At, logs.Redact([]byte(s.key)), math.Min(v.Score, 1e6), int64(len(s.ids))
		switch {
		case v.Step >= 0 && v.Step < len(s.ids):
			step[i] = strconv.Itoa(v.Step+1) + ": " + a.text(s.ids[v.Step].String())
			line[i] = logs.Redact([]byte(m.lines[s.lines[v.Step]].Line))
		case v.Step == len(s.ids):
			step[i] = a.stepMissing()
			line[i] = logs.Redact([]byte(m.lines[s.lines[len(s.lines)-1]].Line))
		}
	}
	points := a.column("score", score)
	points.Config.SetDecimals(2)
	return table(a.column("start", start), a.column("session", key), points, a.column("length", length), a.column("step", step), a.column("line", line))
}

// flowOf counts which template follows which in sessions.
func flowOf(sessions []*logSession) (out []flowStep) {
	counts := map[[2]string]float64{}
	for _, s := range sessions {
		last := flowBegin
		for _, id := range s.ids {
			counts[[2]string{last, id.String()}]++
			last = id.String()
		}
		counts[[2]string{last, flowEnd}]++
	}
	for edge, n := range counts {
		out = append(out, flowStep{edge[0], edge[1], n})
	}
	return out
}

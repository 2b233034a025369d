package plugin

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/message"
)

// Ends of a session in the graph of paths. They are no ids of templates.
const (
	flowBegin = "begin"
	flowEnd   = "end"
)

// mostEdges bounds a graph: more than this nobody can read.
const mostEdges = 200

// graph writes the two frames of Grafana's node graph: nodes are templates, with how many messages of sessions they had; edges say how often one
// followed the other, and which share of all that followed the first this is.
func (a *logsAnswer) graph(steps []flowStep) data.Frames {
	if len(steps) == 0 {
		return nil
	}
	slices.SortFunc(steps, func(x, y flowStep) int {
		return cmp.Or(cmp.Compare(y.n, x.n), cmp.Compare(x.from, y.from), cmp.Compare(x.to, y.to))
	})
	if n := len(steps); n > mostEdges {
		a.say(data.NoticeSeverityWarning, "plugin.logs.edges", "shown", mostEdges, "all", n)
		steps = steps[:mostEdges]
	}
	arrived, left := map[string]float64{}, map[string]float64{}
	for _, s := range steps {
		arrived[s.to] += s.n
		left[s.from] += s.n
	}
	names := map[string]bool{}
	for _, s := range steps {
		names[s.from], names[s.to] = true, true
	}
	var ids, titles, subtitles, counts []string // Grafana writes numbers of a graph with two decimals and prints units as they are called: strings are ready
	for _, id := range slices.Sorted(maps.Keys(names)) {
		ids = append(ids, id)
		titles = append(titles, a.stepTitle(id))
		subtitles = append(subtitles, id)
		counts = append(counts, strconv.FormatFloat(math.Round(max(arrived[id], left[id])), 'f', -1, 64))
	}
	nodes := data.NewFrame("nodes", data.NewField("id", nil, ids), data.NewField("title", nil, titles), data.NewField("subtitle", nil, subtitles),
		a.column("mainstat", counts))
	var edges, from, to, times, share []string
	for _, s := range steps {
		edges = append(edges, s.from+" "+s.to)
		from, to = append(from, s.from), append(to, s.to)
		times = append(times, strconv.FormatFloat(math.Round(s.n), 'f', -1, 64))
		share = append(share, strconv.FormatFloat(100*s.n/left[s.from], 'f', 0, 64)+" %")
	}
	lines := data.NewFrame("edges", data.NewField("id", nil, edges), data.NewField("source", nil, from), data.NewField("target", nil, to),
		a.column("mainstat", times), a.column("secondarystat", share))
	for _, f := range []*data.Frame{nodes, lines} {
		f.Meta = &data.FrameMeta{PreferredVisualization: data.VisTypeNodeGraph}
	}
	return data.Frames{nodes, lines}
}

func (a *logsAnswer) stepTitle(id string) string {
	if id == flowBegin || id == flowEnd {
		return message.Text(a.q.Lang, "plugin.logs."+id)
	}
	return a.text(id)
}

func (a *logsAnswer) stepMissing() string { return message.Text(a.q.Lang, "plugin.logs.missing") }

// mostLogRows bounds a table.
const mostLogRows = 1000

func (a *logsAnswer) logTable(rows []logRow) data.Frames {
	slices.SortFunc(rows, func(x, y logRow) int {
		return cmp.Or(btoi(y.isNew)-btoi(x.isNew), cmp.Compare(y.first, x.first), cmp.Compare(x.source, y.source), cmp.Compare(x.id, y.id))
	})
	if n := len(rows); n > mostLogRows {
		a.say(data.NoticeSeverityWarning, "plugin.notice.older", "shown", mostLogRows, "all", n)
		rows = rows[:mostLogRows]
	}
	n := len(rows)
	what, source, text, id := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	messages, rarity, first := make([]float64, n), make([]*float64, n), make([]string, n)
	for i, r := range rows {
		key := "plugin.logs.rare"
		if r.isNew {
			key = "plugin.logs.new"
		}
		what[i], source[i], text[i], id[i], messages[i], rarity[i] = message.Text(a.q.Lang, key), r.source, r.text, r.id, math.Round(r.messages), number64(r.rarity)
		first[i] = date(r.first).Format("2006-01-02 15:04:05 MST")
	}
	rare := a.column("rarity", rarity)
	rare.Config.SetDecimals(1)
	return table(a.column("state", what), a.column("source", source), a.column("template", text), a.column("messages", messages), rare,
		a.column("first-seen", first), a.column("template-id", id))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// logWidths are those of the columns of these tables, in pixels.
var logWidths = map[string]map[string]any{"template": {"minWidth": 400, "wrapText": true}, "state": {"width": 80}, "first-seen": {"width": 200}}

// column makes a column with its title in the query's language.
func (a *logsAnswer) column(name string, values any) *data.Field {
	f := data.NewField(name, nil, values)
	f.Config = &data.FieldConfig{DisplayNameFromDS: message.Text(a.q.Lang, "plugin.logs.column."+name), Custom: logWidths[name]}
	return f
}

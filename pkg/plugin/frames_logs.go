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

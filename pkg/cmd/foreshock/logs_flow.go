package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/logs"
)

// logsFlowCommand is `foreshock logs flow`: what follows what in sessions.
type logsFlowCommand struct {
	program
	train, session string
	least          float64
	format         string
}

// flowFormats are what foreshock logs flow writes.
var flowFormats = []string{"csv", "dot", "json"}

func (p program) addLogsFlow(app *kingpin.Application) (string, command) {
	l := &logsFlowCommand{program: p}
	cmd := p.logsGroup(app).Command("flow", p.text("help.logs.flow"))
	cmd.Flag("train", p.text("help.logs.train")).PlaceHolder("FILE").StringVar(&l.train)
	cmd.Flag("session", p.text("help.logs.session")).PlaceHolder("PATTERN").StringVar(&l.session)
	cmd.Flag("least", p.text("help.logs.flow.least")).Default("0.01").Float64Var(&l.least)
	cmd.Flag("format", p.text("help.logs.flow.format")).Default("csv").StringVar(&l.format)
	return cmd.FullCommand(), l.run
}

func (l *logsFlowCommand) run(ctx context.Context) error {
	if err := oneOf("--format", l.format, flowFormats); err != nil {
		return err
	}
	switch {
	case l.train == "":
		return badInputf("got no --train, want a file of sessions")
	case !(l.least >= 0 && l.least <= 1):
		return badInputf("--least: got %v, want a share from 0 to 1", l.least)
	}
	in, err := newSessions(l.session)
	if err != nil {
		return err
	}
	train, err := in.read(ctx, l.train)
	if err != nil {
		return err
	}
	flow := logs.FlowOf(in.events(train), l.least)
	names := make([]string, len(flow.Nodes))
	for i, n := range flow.Nodes {
		if names[i] = n.Kind; n.Kind == logs.FlowEvent {
			names[i] = in.name(n.ID)
		}
	}
	out := buffered(l.stdout)
	switch l.format {
	case "csv":
		err = flowCSV(out, flow, names)
	case "dot":
		err = flowDOT(out, flow, names)
	default:
		err = flowJSON(out, flow, names)
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the graph: %w", err)
	}
	return nil
}

// flowCSV writes a row for each edge.
func flowCSV(out io.Writer, flow logs.Flow, names []string) error {
	w := csv.NewWriter(out)
	_ = w.Write([]string{"from", "to", "count", "share"}) // the error stays until Error
	for _, e := range flow.Edges {
		_ = w.Write([]string{names[e.From], names[e.To], strconv.Itoa(e.Count), strconv.FormatFloat(e.Share, 'f', 4, 64)})
	}
	w.Flush()
	return w.Error()
}

// flowDOT writes the graph in the language of Graphviz.
func flowDOT(out io.Writer, flow logs.Flow, names []string) error {
	if _, err := fmt.Fprint(out, "digraph flow {\n"); err != nil {
		return err
	}
	for i, n := range flow.Nodes {
		shape := "box"
		if n.Kind != logs.FlowEvent {
			shape = "ellipse"
		}
		fmt.Fprintf(out, "  n%d [shape=%s, label=%s];\n", i, shape, quoteDOT(names[i]))
	}
	for _, e := range flow.Edges {
		fmt.Fprintf(out, "  n%d -> n%d [label=\"%d (%.0f %%)\"];\n", e.From, e.To, e.Count, 100*e.Share)
	}
	_, err := fmt.Fprint(out, "}\n")
	return err
}

// quoteDOT makes a text a label: quotes and backslashes are data there too.
func quoteDOT(s string) string {
	b := []byte{'"'}
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, ' ')
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

// flowJSON writes nodes, and edges by the index of their nodes.
func flowJSON(out io.Writer, flow logs.Flow, names []string) error {
	type node struct {
		Kind     string `json:"kind"`
		Event    string `json:"event,omitempty"`
		Count    int    `json:"count"`
		Sessions int    `json:"sessions"`
	}
	type edge struct {
		From  int     `json:"from"`
		To    int     `json:"to"`
		Count int     `json:"count"`
		Share float64 `json:"share"`
	}
	all := struct {
		Nodes []node `json:"nodes"`
		Edges []edge `json:"edges"`
	}{[]node{}, []edge{}}
	for i, n := range flow.Nodes {
		name := ""
		if n.Kind == logs.FlowEvent {
			name = names[i]
		}
		all.Nodes = append(all.Nodes, node{n.Kind, name, n.Count, n.Sessions})
	}
	for _, e := range flow.Edges {
		all.Edges = append(all.Edges, edge(e))
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(all)
}

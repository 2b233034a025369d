package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/logs"
	"github.com/foreshock/foreshock/pkg/registry"
)

// logsPhasesCommand is `foreshock logs phases`: what the hidden Markov model takes for the phases of sessions.
type logsPhasesCommand struct {
	program
	train, test, session string
	params               []string
	format               string
}

// phaseFormats are what foreshock logs phases writes.
var phaseFormats = []string{"steps", "phases"}

func (p program) addLogsPhases(app *kingpin.Application) (string, command) {
	l := &logsPhasesCommand{program: p}
	cmd := p.logsGroup(app).Command("phases", p.text("help.logs.phases"))
	cmd.Flag("train", p.text("help.logs.train")).PlaceHolder("FILE").StringVar(&l.train)
	cmd.Flag("test", p.text("help.logs.phases.test")).PlaceHolder("FILE").StringVar(&l.test)
	cmd.Flag("session", p.text("help.logs.session")).PlaceHolder("PATTERN").StringVar(&l.session)
	cmd.Flag("param", p.text("help.logs.phases.param")).Short('p').PlaceHolder("KEY=VALUE").StringsVar(&l.params)
	cmd.Flag("format", p.text("help.logs.phases.format")).Default("steps").StringVar(&l.format)
	return cmd.FullCommand(), l.run
}

func (l *logsPhasesCommand) run(ctx context.Context) error {
	if err := oneOf("--format", l.format, phaseFormats); err != nil {
		return err
	}
	if l.train == "" {
		return badInputf("got no --train, want a file of sessions to learn from")
	}
	params, err := pairs("--param", l.params)
	if err != nil {
		return err
	}
	d, err := logs.Sequences.New("hmm", registry.FromStrings(params))
	if err != nil {
		return badInput(err)
	}
	in, err := newSessions(l.session)
	if err != nil {
		return err
	}
	train, err := in.read(ctx, l.train)
	if err != nil {
		return err
	}
	shown := train
	if l.test != "" {
		if shown, err = in.read(ctx, l.test); err != nil {
			return err
		}
	}
	learnt := in.events(train)
	m, err := d.Fit(learnt)
	if err != nil {
		return badInputf("%s: %w", l.train, err)
	}
	number := phaseNumbers(m, learnt)
	if l.format == "phases" {
		return l.table(in, m, number, in.events(shown))
	}
	return l.steps(in, m, number, shown)
}

// phaseNumbers numbers the phases from 1 on in the order in which sessions go through them: by how far into the sessions they are on average. Phases that
// no session is ever in have no number.
func phaseNumbers(m logs.SequenceModel, train [][]logs.ID) map[int]int {
	far, n := map[int]float64{}, map[int]float64{}
	for _, events := range train {
		phases, _ := logs.Phases(m, events)
		for i, p := range phases {
			far[p] += (float64(i) + 0.5) / float64(len(events))
			n[p]++
		}
	}
	order := slices.SortedFunc(maps.Keys(n), func(a, b int) int { return cmp.Or(cmp.Compare(far[a]/n[a], far[b]/n[b]), cmp.Compare(a, b)) })
	number := map[int]int{}
	for i, p := range order {
		number[p] = i + 1
	}
	return number
}

// steps writes a row for each event of each session.
func (l *logsPhasesCommand) steps(in *sessionReader, m logs.SequenceModel, number map[int]int, shown []session) error {
	out := buffered(l.stdout)
	w := csv.NewWriter(out)
	_ = w.Write([]string{"session", "step", "phase", "event"}) // the error stays until Error
	for i, events := range in.events(shown) {
		phases, _ := logs.Phases(m, events)
		for k, p := range phases {
			_ = w.Write([]string{shown[i].id, strconv.Itoa(k), phaseName(number, p), in.name(events[k])})
		}
	}
	w.Flush()
	if err := cmp.Or(w.Error(), out.Flush()); err != nil {
		return fmt.Errorf("write the phases: %w", err)
	}
	return nil
}

// phaseName is the number of a phase; one that training has no step in is "new".
func phaseName(number map[int]int, p int) string {
	if n, ok := number[p]; ok {
		return strconv.Itoa(n)
	}
	return "new"
}

// mostEvents is how many events of a phase are listed.
const mostEvents = 5

// table writes a row for each phase: in how many sessions it is, its share of the steps, and the events that it has most.
func (l *logsPhasesCommand) table(in *sessionReader, m logs.SequenceModel, number map[int]int, shown [][]logs.ID) error {
	type phase struct {
		name            string
		sessions, steps int
		events          map[logs.ID]int
	}
	all := map[string]*phase{}
	steps := 0
	for _, events := range shown {
		phases, _ := logs.Phases(m, events)
		seen := map[string]bool{}
		for i, p := range phases {
			name := phaseName(number, p)
			if all[name] == nil {
				all[name] = &phase{name: name, events: map[logs.ID]int{}}
			}
			all[name].events[events[i]]++
			all[name].steps++
			steps++
			if !seen[name] {
				all[name].sessions++
				seen[name] = true
			}
		}
	}
	out := buffered(l.stdout)
	w := csv.NewWriter(out)
	_ = w.Write([]string{"phase", "sessions", "share", "events"})       // the error stays until Error
	rows := slices.SortedFunc(maps.Values(all), func(a, b *phase) int { // 2 before 10, and "new" behind all
		return cmp.Or(cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	for _, p := range rows {
		ids := slices.SortedFunc(maps.Keys(p.events), func(a, b logs.ID) int { return cmp.Or(cmp.Compare(p.events[b], p.events[a]), cmp.Compare(a, b)) })
		var names []string
		for _, id := range ids[:min(len(ids), mostEvents)] {
			names = append(names, fmt.Sprintf("%d × %s", p.events[id], in.name(id)))
		}
		_ = w.Write([]string{p.name, strconv.Itoa(p.sessions), strconv.FormatFloat(float64(p.steps)/float64(steps), 'f', 3, 64), strings.Join(names, "; ")})
	}
	w.Flush()
	if err := cmp.Or(w.Error(), out.Flush()); err != nil {
		return fmt.Errorf("write the phases: %w", err)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/registry"
)

// evaluateCommand is `foreshock evaluate`.
type evaluateCommand struct {
	program
	judging
	dir, sets, detectors string
	protocol, format     string
	limit, workers       int
	quiet                bool
}

// protocols and tableFormats are what the flags allow.
var (
	protocols    = []string{evaluate.All, evaluate.Live}
	tableFormats = []string{"text", "markdown", "json"}
)

func (p program) addEvaluate(app *kingpin.Application) (string, command) {
	e := &evaluateCommand{program: p}
	cmd := app.Command("evaluate", p.text("help.evaluate"))
	cmd.Flag("data", p.text("help.evaluate.data")).PlaceHolder("DIR").StringVar(&e.dir)
	cmd.Flag("sets", p.text("help.evaluate.sets")).Default(strings.Join(evaluate.Sets(), ",")).StringVar(&e.sets)
	cmd.Flag("detectors", p.text("help.evaluate.detectors")).Short('d').PlaceHolder("NAME,…").StringVar(&e.detectors)
	cmd.Flag("protocol", p.text("help.evaluate.protocol")).Default(evaluate.All).StringVar(&e.protocol)
	cmd.Flag("limit", p.text("help.evaluate.limit")).Default("0").IntVar(&e.limit)
	cmd.Flag("param", p.text("help.param")).Short('p').PlaceHolder("KEY=VALUE").StringsVar(&e.params)
	cmd.Flag("policy", p.text("help.policy")).PlaceHolder("KEY=VALUE").StringsVar(&e.policy)
	w := detect.DefaultWalk()
	cmd.Flag("train", p.text("help.train")).PlaceHolder(w.Train.String()).StringVar(&e.train)
	cmd.Flag("refit", p.text("help.refit")).PlaceHolder(w.Refit.String()).StringVar(&e.refit)
	cmd.Flag("min-train", p.text("help.min-train")).PlaceHolder(w.MinTrain.String()).StringVar(&e.minTrain)
	cmd.Flag("workers", p.text("help.evaluate.workers")).Default("0").IntVar(&e.workers)
	cmd.Flag("format", p.text("help.evaluate.format")).Default("text").StringVar(&e.format)
	cmd.Flag("quiet", p.text("help.quiet")).Short('q').BoolVar(&e.quiet)
	return cmd.FullCommand(), e.run
}

func (e *evaluateCommand) run(ctx context.Context) error {
	began := time.Now()
	plan := evaluate.Plan{Workers: e.workers, Progress: func(r evaluate.Row) {
		if !e.quiet {
			e.note(e.text("evaluate.progress", "detector", r.Detector, "set", r.Set, "files", strconv.Itoa(r.Files), "vus", strconv.FormatFloat(r.VUSPR, 'f', 3, 64),
				"elapsed", time.Since(began).Round(time.Second/10).String()))
		}
	}}
	if err := e.entrants(&plan); err != nil {
		return err
	}
	var err error
	if plan.Judging, err = e.rules(); err != nil {
		return err
	}
	if plan.Sets, err = e.load(); err != nil {
		return err
	}
	if plan.Workers <= 0 {
		plan.Workers = workers()
	}
	rows, err := plan.Run(ctx)
	if err != nil {
		return err
	}
	if err := e.write(rows); err != nil {
		return err
	}
	if err := evaluate.Faults(rows); err != nil {
		return fmt.Errorf("%s\n%w", e.text("evaluate.failed"), err)
	}
	return nil
}

func (e *evaluateCommand) write(rows []evaluate.Row) error {
	out := buffered(e.stdout)
	write := evaluate.WriteText
	switch e.format {
	case "markdown":
		write = evaluate.WriteMarkdown
	case "json":
		write = evaluate.WriteJSON
	}
	if err := write(out, rows); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// entrants are the named detectors, all of them without a name. A name may be that of a detector of single series, of vectors, or of both.
func (e *evaluateCommand) entrants(plan *evaluate.Plan) error {
	names := slices.Concat(detect.Detectors.Names(), detect.Joints.Names())
	if e.detectors != "" {
		names = split(e.detectors)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	given, err := pairs("--param", e.params)
	if err != nil {
		return err
	}
	if len(given) > 0 && len(names) != 1 {
		return badInputf("--param: got %d detectors, want one in --detectors: parameters belong to a detector", len(names))
	}
	params := registry.FromStrings(given)
	for _, name := range names {
		_, err := detect.Detectors.Get(name)
		_, jointErr := detect.Joints.Get(name)
		if err != nil && jointErr != nil {
			return badInputf("--detectors: %w; for several series as one vector %s", err, strings.Join(detect.Joints.Names(), ", "))
		}
		if err == nil && e.wants(false) {
			d, err := detect.Detectors.New(name, params)
			if err != nil {
				return badInputf("--detectors: %w", err)
			}
			plan.Entrants = append(plan.Entrants, evaluate.Entrant{Name: name, Detector: d})
		}
		if jointErr == nil && e.wants(true) {
			d, err := detect.Joints.New(name, params)
			if err != nil {
				return badInputf("--detectors: %w", err)
			}
			plan.Joints = append(plan.Joints, evaluate.JointEntrant{Name: name, Detector: d})
		}
	}
	return nil
}

// wants reports whether a set of that kind was asked for: parameters need not fit detectors of the other.
func (e *evaluateCommand) wants(vectors bool) bool {
	return slices.ContainsFunc(split(e.sets), func(s string) bool { return evaluate.IsMultivariate(s) == vectors })
}

// rules checks how is judged; the step is that of each series.
func (e *evaluateCommand) rules() (evaluate.Judging, error) {
	none := evaluate.Judging{}
	if err := oneOf("--protocol", e.protocol, protocols); err != nil {
		return none, err
	}
	if err := oneOf("--format", e.format, tableFormats); err != nil {
		return none, err
	}
	if e.limit < 0 {
		return none, badInputf("--limit: got %d, want at least 0", e.limit)
	}
	policy, err := pairs("--policy", e.policy)
	if err != nil {
		return none, err
	}
	e.judge.Policy = detect.DefaultPolicy()
	if err := registry.DecodeInto(&e.judge.Policy, registry.FromStrings(policy)); err != nil {
		return none, badInputf("--policy: %w", err)
	}
	judge, err := e.at(detect.DefaultWalk().Step.String())
	if err != nil {
		return none, err
	}
	return evaluate.Judging{Protocol: e.protocol, Walk: judge.Walk, Policy: judge.Policy}, nil
}

func (e *evaluateCommand) load() ([]evaluate.Set, error) {
	if e.dir == "" {
		return nil, badInputf("--data: got no directory, want the one that holds %s as folders", strings.Join(evaluate.Sets(), ", "))
	}
	if info, err := os.Stat(e.dir); err != nil || !info.IsDir() {
		return nil, badInputf("--data: %s is no directory, want the one that holds %s as folders", e.dir, strings.Join(evaluate.Sets(), ", "))
	}
	var sets []evaluate.Set
	for _, name := range split(e.sets) {
		if err := oneOf("--sets", name, evaluate.Sets()); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(sets, func(s evaluate.Set) bool { return s.Name == name }) {
			return nil, badInputf("--sets: %q is given twice, want it once", name)
		}
		set, err := evaluate.Load(e.dir, name, e.limit)
		if errors.Is(err, evaluate.ErrNoData) {
			return nil, badInputf("--data: %w; leave it out with --sets, or give the directory that has it", err)
		}
		if err != nil {
			return nil, badInputf("--data: %w", err)
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// split returns the parts of a list with commas.
func split(list string) []string {
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

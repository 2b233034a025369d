package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/registry"
)

// selftestCommand is `foreshock selftest`.
type selftestCommand struct {
	program
	lookback
	quick  bool
	format string
}

func (p program) addSelftest(app *kingpin.Application) (string, command) {
	s := &selftestCommand{program: p}
	cmd := app.Command("selftest", p.text("help.selftest"))
	s.lookback.flags(p, cmd, "7d")
	cmd.Flag("quick", p.text("help.selftest.quick")).BoolVar(&s.quick)
	cmd.Flag("format", p.text("help.selftest.format")).Default("table").StringVar(&s.format)
	return cmd.FullCommand(), s.run
}

// errSelftest ends a self-test that failed: the report says why.
var errSelftest = errors.New("self-test failed")

func (s *selftestCommand) run(ctx context.Context) error {
	if err := oneOf("--format", s.format, []string{"table", "json"}); err != nil {
		return err
	}
	s.divide = evaluate.Dimensions
	all, err := s.load(ctx, s.program)
	if err != nil {
		return err
	}
	found := make([]evaluate.SelfTested, len(all))
	err = byJudge(all, func(judge evaluate.Judge, index []int) error {
		t := evaluate.SelfTest{Judge: judge, Quick: s.quick, Progress: s.reporter(s.quiet, "progress.series")}
		return t.All(ctx, casesOf(all, index), func(k int, one evaluate.SelfTested) { found[index[k]] = one })
	})
	if err != nil {
		return err
	}
	out := buffered(s.stdout)
	failed := false
	for i, f := range found {
		failed = failed || f.Outcome == evaluate.Failed
		if s.format == "json" {
			err = errors.Join(err, s.json(out, all[i], f))
		}
	}
	if s.format == "table" {
		s.table(out, all, found)
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return fmt.Errorf("write the self-test: %w", err)
	}
	if failed {
		return &reported{errSelftest}
	}
	return nil
}

// table writes a block for one series; for several a row each, and what they come to together.
func (s *selftestCommand) table(out io.Writer, all []past, found []evaluate.SelfTested) {
	if len(found) == 1 {
		s.one(out, all[0], found[0])
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	s.header(w, "series", "verdict", "deviation", "tail", "per-week", "spike5", "drop5", "spike", "drop", "shift", "ramp", "season", "flatline")
	for i, f := range found {
		fmt.Fprintf(w, "%s\t%s\t%.4g\t%s\t%s", all[i].name, s.text("selftest.outcome."+string(f.Outcome)), f.Deviation, s.tail(f), perWeek(f))
		for _, kind := range []string{evaluate.KindSpike, evaluate.KindDrop} {
			fmt.Fprintf(w, "\t%s", foundAt(kindOf(f, kind), 5))
		}
		for _, kind := range kindNames {
			k := kindOf(f, kind)
			fmt.Fprintf(w, "\t%s", k.SizeText(k.Smallest(usually)))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // a write error comes back from the last flush
	fmt.Fprintf(out, "\n%s\n", s.text("selftest.smallest"))
	s.reasons(out, all, found)
	s.together(out, all, found)
}

// usually is the share from which a size counts as found.
const usually = 0.95

var kindNames = []string{evaluate.KindSpike, evaluate.KindDrop, evaluate.KindShift, evaluate.KindRamp, evaluate.KindSeason, evaluate.KindFlatline}

func kindOf(f evaluate.SelfTested, kind string) evaluate.KindResult {
	for _, k := range f.Kinds {
		if k.Kind == kind {
			return k
		}
	}
	return evaluate.KindResult{Kind: kind, Skipped: "no-room"}
}

func foundAt(k evaluate.KindResult, size float64) string {
	r, ok := k.At(size)
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%d/%d", r.Found, r.Places)
}

func perWeek(f evaluate.SelfTested) string {
	if f.Exposure == 0 {
		return "–"
	}
	return strconv.FormatFloat(f.PerWeek(), 'f', 2, 64)
}

func (s *selftestCommand) tail(f evaluate.SelfTested) string {
	switch {
	case f.Tail != f.Tail:
		return "–"
	case f.Light:
		return s.text("selftest.light")
	}
	return s.text("selftest.heavy")
}

func (s *selftestCommand) header(w io.Writer, columns ...string) {
	for i, c := range columns {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, s.text("selftest.column."+c))
	}
	fmt.Fprintln(w)
}

// reasons writes why series failed or were not tested.
func (s *selftestCommand) reasons(out io.Writer, all []past, found []evaluate.SelfTested) {
	for i, f := range found {
		if f.Outcome == evaluate.Passed && len(f.Reasons) < 2 {
			continue
		}
		for _, r := range f.Reasons {
			fmt.Fprintf(out, "%s: %s\n", all[i].name, r.Text(s.lang))
		}
	}
}

// one writes the whole report of one series.
func (s *selftestCommand) one(out io.Writer, p past, f evaluate.SelfTested) {
	fmt.Fprintf(out, "%s: %s\n", p.name, s.text("selftest.outcome."+string(f.Outcome)))
	for _, r := range f.Reasons {
		fmt.Fprintln(out, r.Text(s.lang))
	}
	if len(f.Kinds) == 0 {
		return
	}
	fmt.Fprintln(out, s.text("selftest.series", "deviation", strconv.FormatFloat(f.Deviation, 'g', 4, 64), "tail", strconv.FormatFloat(100*f.Tail, 'g', 2, 64), "light", s.tail(f),
		"weeks", strconv.FormatFloat(f.Exposure, 'f', 2, 64), "rate", perWeek(f), "interval", interval(f.Episodes, f.Exposure)))
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	s.header(w, "kind", "size", "found", "delay", "rank")
	for _, k := range f.Kinds {
		name := s.text("selftest.kind." + k.Kind)
		if k.Skipped != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, s.text("selftest.skipped."+k.Skipped))
			continue
		}
		for _, r := range k.Rungs {
			if r.Places == 0 {
				continue
			}
			delay := "–"
			if r.Found > 0 {
				delay = registry.Duration(time.Duration(r.Delay) * time.Millisecond).String()
			}
			fmt.Fprintf(w, "%s\t%s\t%d/%d\t%s\t%.2f %%\n", name, k.SizeText(r.Size), r.Found, r.Places, delay, 100*r.Rank)
		}
	}
	_ = w.Flush()
	fmt.Fprintln(out)
	s.header(w, "kind", "found95", "found50")
	for _, k := range f.Kinds {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.text("selftest.kind."+k.Kind), k.SizeText(k.Smallest(usually)), k.SizeText(k.Smallest(0.5)))
	}
	_ = w.Flush()
}

// together writes what several series come to: what was found of five deviations on light-tailed ones and on the others, and how noisy all are.
func (s *selftestCommand) together(out io.Writer, all []past, found []evaluate.SelfTested) {
	fmt.Fprintln(out)
	count := map[evaluate.TestOutcome]int{}
	var rates []float64
	var episodes int
	var exposure float64
	for i, f := range found {
		count[f.Outcome]++
		if again := all[i].Vector != nil && all[i].Row > 0; f.Exposure > 0 && !again { // the episodes of a vector are those of its first dimension, too
			rates = append(rates, f.PerWeek())
			episodes += f.Episodes
			exposure += f.Exposure
		}
	}
	fmt.Fprintln(out, s.text("selftest.counts", "passed", strconv.Itoa(count[evaluate.Passed]), "failed", strconv.Itoa(count[evaluate.Failed]), "untested", strconv.Itoa(count[evaluate.NotTested])))
	for _, light := range []bool{true, false} {
		n, places, hits := 0, 0, 0
		for _, f := range found {
			if f.Light != light || len(f.Kinds) == 0 {
				continue
			}
			n++
			for _, kind := range []string{evaluate.KindSpike, evaluate.KindDrop} {
				if r, ok := kindOf(f, kind).At(5); ok {
					places += r.Places
					hits += r.Found
				}
			}
		}
		key := "selftest.five-heavy"
		if light {
			key = "selftest.five-light"
		}
		if places > 0 {
			fmt.Fprintln(out, s.text(key, "series", strconv.Itoa(n), "found", strconv.Itoa(hits), "places", strconv.Itoa(places), "share", strconv.FormatFloat(100*float64(hits)/float64(places), 'f', 1, 64)))
		}
	}
	if exposure > 0 {
		low, high := evaluate.MeanInterval(rates)
		mean := 0.0
		for _, r := range rates {
			mean += r / float64(len(rates))
		}
		fmt.Fprintln(out, s.text("selftest.noise", "episodes", strconv.Itoa(episodes), "weeks", strconv.FormatFloat(exposure, 'f', 1, 64), "rate", strconv.FormatFloat(mean, 'f', 2, 64),
			"interval", fmt.Sprintf("[%.2f, %.2f]", low, high)))
	}
}

func (s *selftestCommand) json(out io.Writer, p past, f evaluate.SelfTested) error {
	type rung struct {
		Size   any     `json:"size"` // a number, or "beyond everything seen"
		Places int     `json:"places"`
		Found  int     `json:"found"`
		Delay  float64 `json:"delay_seconds"`
		Rank   any     `json:"rank"`
	}
	type kind struct {
		Kind     string `json:"kind"`
		Unit     string `json:"unit"`
		Declared bool   `json:"declared"`
		Skipped  string `json:"skipped,omitempty"`
		Rungs    []rung `json:"sizes"`
	}
	finite := func(x float64) any {
		switch {
		case x != x:
			return nil
		case math.IsInf(x, 0):
			return "beyond everything seen"
		}
		return x
	}
	o := struct {
		Series    string   `json:"series"`
		Outcome   string   `json:"outcome"`
		Reasons   []string `json:"reasons"`
		Deviation any      `json:"deviation"`
		Tail      any      `json:"tail"`
		Light     bool     `json:"light_tailed"`
		Weeks     float64  `json:"weeks_judged"`
		Episodes  int      `json:"episodes"`
		Kinds     []kind   `json:"kinds"`
	}{Series: p.name, Outcome: string(f.Outcome), Deviation: finite(f.Deviation), Tail: finite(f.Tail), Light: f.Light, Weeks: f.Exposure, Episodes: f.Episodes, Kinds: []kind{}}
	for _, r := range f.Reasons {
		o.Reasons = append(o.Reasons, r.Text(s.lang))
	}
	for _, k := range f.Kinds {
		unit := "deviations"
		if k.Hours {
			unit = "hours"
		}
		one := kind{Kind: k.Kind, Unit: unit, Declared: k.Declared, Skipped: k.Skipped, Rungs: []rung{}}
		for _, r := range k.Rungs {
			if r.Places > 0 {
				one.Rungs = append(one.Rungs, rung{finite(r.Size), r.Places, r.Found, float64(r.Delay) / 1000, finite(r.Rank)})
			}
		}
		o.Kinds = append(o.Kinds, one)
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(o)
}

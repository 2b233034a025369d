package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/scorer"
)

// estimateCommand is `foreshock estimate`.
type estimateCommand struct {
	program
	file, url, format string
	series, sample    int
	quiet             bool
}

func (p program) addEstimate(app *kingpin.Application) (string, command) {
	e := &estimateCommand{program: p}
	cmd := app.Command("estimate", p.text("help.estimate"))
	cmd.Arg("file", p.text("help.config.file")).Required().StringVar(&e.file)
	cmd.Flag("prometheus.url", p.text("help.score.url")).PlaceHolder("URL").StringVar(&e.url)
	cmd.Flag("series", p.text("help.estimate.series")).PlaceHolder("N").IntVar(&e.series)
	cmd.Flag("sample", p.text("help.estimate.sample")).Default("5").IntVar(&e.sample)
	cmd.Flag("format", p.text("help.estimate.format")).Default("table").StringVar(&e.format)
	cmd.Flag("quiet", p.text("help.quiet")).Short('q').BoolVar(&e.quiet)
	return cmd.FullCommand(), e.run
}

func (e *estimateCommand) run(ctx context.Context) error {
	if err := oneOf("--format", e.format, []string{"table", "json"}); err != nil {
		return err
	}
	if e.series < 0 || e.sample < 1 || e.sample > 1000 {
		return badInputf("--series, --sample: got %d and %d, want a number of series and 1 to 1000 of them", e.series, e.sample)
	}
	conf, err := scorer.Load(e.file)
	if err != nil {
		return badInput(err)
	}
	if e.url != "" {
		conf.Prometheus.URL = e.url
	}
	if conf.Prometheus.URL == "" && e.series == 0 {
		return badInputf("got neither a server nor --series, want --prometheus.url (or prometheus.url in the file) to count series, or --series with their number")
	}
	tell := e.reporter(e.quiet, "progress.rules")
	all := make([]scorer.Estimate, len(conf.Rules))
	for i, r := range conf.Rules {
		if all[i], err = e.rule(ctx, conf, r); err != nil {
			return err
		}
		if tell != nil {
			tell(i+1, len(conf.Rules))
		}
	}
	if e.format == "json" {
		return e.json(all)
	}
	e.table(all)
	return nil
}

// rule measures one rule: on its own series where a server is to be asked, else on made-up ones.
func (e *estimateCommand) rule(ctx context.Context, conf scorer.Config, r scorer.Rule) (scorer.Estimate, error) {
	now := time.Now().UnixMilli()
	if e.series > 0 {
		out, err := scorer.Measure(ctx, r, scorer.Synthetic(r, min(e.sample, e.series), now), e.series, now)
		out.Synthetic = true
		return out, err
	}
	sample, count, err := scorer.Sample(ctx, conf, r, e.sample, now)
	if err != nil {
		var failed *prom.Error
		if errors.As(err, &failed) && failed.Kind == prom.KindBadQuery {
			return scorer.Estimate{}, badInput(fmt.Errorf("rule %q: field \"expr\": %w", r.Name, err))
		}
		return scorer.Estimate{}, fmt.Errorf("rule %q: %w", r.Name, err)
	}
	return scorer.Measure(ctx, r, sample, count, now)
}

// table writes a row for each rule, the sum, and what follows for a machine.
func (e *estimateCommand) table(all []scorer.Estimate) {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for i, c := range []string{"rule", "series", "measured", "fit", "fits-day", "score", "evaluations-day", "cpu", "first", "models", "samples"} {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, e.text("estimate.column."+c))
	}
	fmt.Fprintln(w)
	var cpu float64
	var first time.Duration
	var fits, samples int64
	var unfitted []scorer.Estimate
	count, synthetic := 0, false
	for _, x := range all {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%.0f\t%s\t%.0f\t%s\t%s\t%s\t%s\n", x.Rule, x.Series, x.Sampled-x.Unfitted, millis3(x.Fit), x.FitsPerDay*float64(x.Series), millis3(x.Score), x.EvaluationsPerDay,
			cores(x.CPU()), seconds3(x.First()), bytes3(x.Fits()), bytes3(x.Samples()))
		cpu += x.CPU()
		first += x.First()
		fits += x.Fits()
		samples += x.Samples()
		count += x.Series
		synthetic = synthetic || x.Synthetic
		if x.Unfitted > 0 || x.Sampled == 0 {
			unfitted = append(unfitted, x)
		}
	}
	fmt.Fprintf(w, "%s\t%d\t\t\t\t\t\t%s\t%s\t%s\t%s\n", e.text("estimate.sum"), count, cores(cpu), seconds3(first), bytes3(fits), bytes3(samples))
	_ = w.Flush() // standard output: an error has nowhere to go
	fmt.Fprintln(e.stdout)
	fmt.Fprintln(e.stdout, e.text("estimate.meaning"))
	if synthetic {
		fmt.Fprintln(e.stdout, e.text("estimate.synthetic"))
	}
	for _, x := range unfitted {
		fmt.Fprintln(e.stdout, e.text("estimate.unfitted", "rule", x.Rule, "n", strconv.Itoa(x.Unfitted), "of", strconv.Itoa(x.Sampled)))
	}
	fmt.Fprintln(e.stdout, e.text("estimate.flags", "fits", bytes3(fits+fits/4), "blocks", bytes3(samples+samples/4)))
}

func (e *estimateCommand) json(all []scorer.Estimate) error {
	type one struct {
		Rule              string  `json:"rule"`
		Series            int     `json:"series"`
		Sampled           int     `json:"sampled"`
		Unfitted          int     `json:"unfitted"`
		Synthetic         bool    `json:"synthetic"`
		FitSeconds        float64 `json:"fit_seconds"`
		ScoreSeconds      float64 `json:"score_seconds"`
		FitsPerDay        float64 `json:"fits_per_day"`
		EvaluationsPerDay float64 `json:"evaluations_per_day"`
		Cores             float64 `json:"cores"`
		FirstSeconds      float64 `json:"first_evaluation_seconds"`
		FitBytes          int64   `json:"fit_bytes"`
		SampleBytes       int64   `json:"sample_bytes"`
	}
	out := json.NewEncoder(e.stdout)
	for _, x := range all {
		err := out.Encode(one{
			Rule: x.Rule, Series: x.Series, Sampled: x.Sampled, Unfitted: x.Unfitted, Synthetic: x.Synthetic, FitSeconds: x.Fit.Seconds(), ScoreSeconds: x.Score.Seconds(),
			FitsPerDay: x.FitsPerDay * float64(x.Series), EvaluationsPerDay: x.EvaluationsPerDay, Cores: x.CPU(), FirstSeconds: x.First().Seconds(), FitBytes: x.Fits(), SampleBytes: x.Samples(),
		})
		if err != nil {
			return fmt.Errorf("write the estimate: %w", err)
		}
	}
	return nil
}

func millis3(d time.Duration) string  { return fmt.Sprintf("%.3g ms", d.Seconds()*1000) }
func seconds3(d time.Duration) string { return fmt.Sprintf("%.3g s", d.Seconds()) }
func cores(x float64) string          { return fmt.Sprintf("%.2g", x) }

// bytes3 writes a number of bytes with three digits.
func bytes3(n int64) string {
	x, unit := float64(n), "B"
	for _, u := range []string{"KB", "MB", "GB", "TB"} {
		if x < 1000 {
			break
		}
		x, unit = x/1000, u
	}
	return fmt.Sprintf("%.3g %s", x, unit)
}

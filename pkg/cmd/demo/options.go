package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/chart"
)

// options is what the command line says.
type options struct {
	once            bool
	timeout         time.Duration
	stack           string
	binDir, distDir string
	output          string
	grafanaHome     string
	grafana         bool
	factor          float64
	burnCores       int
	burnTime        time.Duration
	faultTime       time.Duration
	seed            uint64
	keep            bool

	// For tests: hook replaces the address that Alertmanager posts to, tmp is where the temporary folder is made, and handled looks at everything
	// while it runs, after the alert was handled.
	hook, tmp string
	handled   func(context.Context, *demo)
}

// The stacks that --stack takes.
const (
	stackEmbedded = "embedded"
	stackDebian   = "debian"
)

// parse reads the command line. It returns a text instead when the user asked for help. An error is one sentence.
func parse(args []string) (o options, text string, err error) {
	var printed bytes.Buffer
	app := kingpin.New("demo", "Runs the whole chain on this machine: Prometheus and Alertmanager with two weeks of history, exporter, scorer, webhook and the Grafana plugin; then breaks something and shows what happens, second by second.")
	app.Terminate(func(int) { panic(asked{}) })
	app.UsageWriter(&printed).ErrorWriter(io.Discard)
	app.HelpFlag.Short('h')
	app.Flag("once", "Exit as soon as the alert was handled: 0 when a case and a notification came of it, 1 when not.").BoolVar(&o.once)
	app.Flag("timeout", "How long the chain may take from the fault to the notification.").Default("2m").DurationVar(&o.timeout)
	app.Flag("stack", "Prometheus and Alertmanager: embedded (newest, inside of this program) or debian (the installed prometheus and prometheus-alertmanager).").Default(stackEmbedded).StringVar(&o.stack)
	app.Flag("bin.dir", "Folder of the built programs; without it they are built first.").StringVar(&o.binDir)
	app.Flag("dist.dir", "Folder of the built plugin; without it the back end is built first.").StringVar(&o.distDir)
	app.Flag("output", "Picture to draw: png or svg.").Default("foreshock-demo.png").StringVar(&o.output)
	app.Flag("grafana.home", "Folder of an installed Grafana to start too; default: GRAFANA_HOME, else grafana on PATH, else none.").Envar("GRAFANA_HOME").StringVar(&o.grafanaHome)
	app.Flag("grafana", "Start a Grafana too, if one is there.").Default("true").BoolVar(&o.grafana)
	app.Flag("factor", "How many times slower the service checkout gets.").Default("4").Float64Var(&o.factor)
	app.Flag("burn.cores", "How many cores of this machine are kept busy, at the lowest priority; 0: none.").Default(fmt.Sprint(runtime.NumCPU())).IntVar(&o.burnCores)
	app.Flag("burn.time", "How long they are.").Default("45s").DurationVar(&o.burnTime)
	app.Flag("fault.time", "How long checkout stays slow.").Default("3m").DurationVar(&o.faultTime)
	app.Flag("seed", "Seed of the shop's noise: the same seed gives the same two weeks.").Default("1").Uint64Var(&o.seed)
	app.Flag("keep", "Keep the temporary folder with data, configuration and logs.").BoolVar(&o.keep)
	answered, err := parseWith(app, args)
	switch {
	case answered:
		return o, strings.TrimRight(printed.String(), "\n"), nil
	case err != nil:
		return o, "", fmt.Errorf("%w; --help lists the flags", err)
	}
	return o, "", o.check()
}

// asked is thrown when help was printed.
type asked struct{}

func parseWith(app *kingpin.Application, args []string) (answered bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(asked); !ok {
				panic(p)
			}
			answered = true
		}
	}()
	_, err = app.Parse(args)
	return false, err
}

// check looks at values that are right by themselves and wrong in use.
func (o options) check() error {
	format := strings.TrimPrefix(filepath.Ext(o.output), ".")
	switch {
	case o.stack != stackEmbedded && o.stack != stackDebian:
		return fmt.Errorf("--stack: got %q, want %s or %s", o.stack, stackEmbedded, stackDebian)
	case o.timeout <= 0:
		return fmt.Errorf("--timeout: got %s, want more than 0s", o.timeout)
	case o.factor < 1.5:
		return fmt.Errorf("--factor: got %v, want 1.5 or more: less is no fault", o.factor)
	case o.burnCores < 0 || o.burnCores > runtime.NumCPU():
		return fmt.Errorf("--burn.cores: got %d, want 0 to %d", o.burnCores, runtime.NumCPU())
	case o.burnTime <= 0 || o.burnTime > 10*time.Minute:
		return fmt.Errorf("--burn.time: got %s, want more than 0s and at most 10m", o.burnTime)
	case o.faultTime < time.Minute:
		return fmt.Errorf("--fault.time: got %s, want 1m or more: less is over before it is seen", o.faultTime)
	case !slices.Contains(chart.Formats(), format):
		return fmt.Errorf("--output: got %q, want a name that ends in .%s", o.output, strings.Join(chart.Formats(), " or ."))
	}
	return nil
}

// errStopped is what ends a demo that was interrupted.
var errStopped = errors.New("stopped")

// Command foreshock is Foreshock from a shell: it judges files and PromQL ranges, lists the detectors and measures them against labels, runs the scorer and checks its file.
//
//	foreshock detect requests.csv > verdicts.csv
//	foreshock detect --prometheus.url http://localhost:9090 --query 'sum(rate(http_requests_total[5m]))' --plot requests.png
//	foreshock detectors seasonal
//	foreshock check detectors.yml && foreshock score --config.file detectors.yml
//
// It exits 0 when done, 2 when what it was given is wrong, 1 when something else failed. It has no state and writes no file but those
// that it is told to.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"

	"github.com/foreshock/foreshock/pkg/message"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	code := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// program is the surroundings of one run.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	lang           string
}

// command is what a sub-command does once its flags are read.
type command func(ctx context.Context) error

// application returns the flags and what the commands do.
func (p program) application() (*kingpin.Application, map[string]command) {
	app := kingpin.New("foreshock", p.text("help.app"))
	app.HelpFlag.Short('h')
	app.UsageWriter(p.stdout).ErrorWriter(p.stderr)
	app.Terminate(func(int) { panic(errEnded) })
	app.Version(version.Print("foreshock"))
	app.VersionFlag.Short('V')
	app.Flag("lang", p.text("help.lang")).PlaceHolder("en|zh-Hans").Default(p.lang).String()
	commands := map[string]command{}
	for _, add := range []func(*kingpin.Application) (string, command){
		p.addDetect, p.addJoint, p.addPeers, p.addReplay, p.addSelftest, p.addDetectors, p.addEvaluate, p.addScore, p.addEstimate, p.addCheck, p.addLogsParse, p.addLogsScore, p.addLogsPhases,
		p.addLogsFlow,
	} {
		name, do := add(app)
		commands[name] = do
	}
	return app, commands
}

// run returns the exit code.
func (p program) run(ctx context.Context, args []string) int {
	p.lang = p.language(args)
	app, commands := p.application()
	if len(args) == 0 {
		app.UsageWriter(p.stderr)
		app.Usage(args)
		return 2
	}
	name, err := parse(app, marked(args))
	if errors.Is(err, errEnded) {
		return 0
	}
	if err != nil {
		return p.fail(badInputf("%w (%s)", err, p.text("try", "command", strings.TrimSpace("foreshock "+firstCommand(args, commands)+" --help"))))
	}
	if given := app.GetFlag("lang").Model().Value.String(); !slices.Contains(message.Languages(), given) {
		return p.fail(badInputf("--lang: got %q, want one of %s", given, strings.Join(message.Languages(), ", ")))
	}
	return p.fail(commands[name](ctx))
}

// errEnded is how --help and --version come back from within kingpin, which wants to exit the process.
var errEnded = errors.New("ended")

// standardInput stands for the argument "-", of which kingpin makes the empty one.
const standardInput = "\x00-"

// marked returns the arguments with every "-" replaced.
func marked(args []string) []string {
	args = slices.Clone(args)
	for i, a := range args {
		if a == "-" {
			args[i] = standardInput
		}
	}
	return args
}

func parse(app *kingpin.Application, args []string) (name string, err error) {
	defer func() {
		if r := recover(); r != nil {
			if r != any(errEnded) {
				panic(r)
			}
			err = errEnded
		}
	}()
	return app.Parse(args)
}

// fail prints an error and returns the exit code for it.
func (p program) fail(err error) int {
	if err == nil {
		return 0
	}
	var silent *reported
	if !errors.As(err, &silent) {
		fmt.Fprintf(p.stderr, "%s: %s\n", p.text("error"), err)
	}
	var wrong *inputError
	if errors.As(err, &wrong) {
		return 2
	}
	return 1
}

// reported is an error that was printed where it arose.
type reported struct{ error }

func (r *reported) Unwrap() error { return r.error }

// language is that of --lang, else that of the environment as gettext finds it.
func (p program) language(args []string) string {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--lang="); ok {
			return message.Match(v)
		}
		if a == "--lang" && i+1 < len(args) {
			return message.Match(args[i+1])
		}
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := p.getenv(name); v != "" {
			locale, _, _ := strings.Cut(v, ".")
			return message.Match(strings.ReplaceAll(locale, "_", "-"))
		}
	}
	return message.English
}

// text returns a text of the command line's catalogue.
func (p program) text(key string, args ...any) string {
	return message.Text(p.lang, "cli."+key, args...)
}

// oneOf refuses what is not among the allowed values of a flag.
func oneOf(flag, value string, allowed []string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return badInputf("%s: got %q, want one of %s", flag, value, strings.Join(allowed, ", "))
}

// note prints a line for people.
func (p program) note(text string) { fmt.Fprintln(p.stderr, text) }

func firstCommand(args []string, commands map[string]command) string {
	for _, a := range args {
		if _, ok := commands[a]; ok {
			return a
		}
	}
	return ""
}

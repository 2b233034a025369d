// Command foreshock-webhook receives the alerts of Alertmanager and Grafana, makes cases of them, and tells people.
//
//	foreshock-webhook --config.file=foreshock-webhook.yml
//	foreshock-webhook check foreshock-webhook.yml
//
// docs/webhook.md is its manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"

	"github.com/foreshock/foreshock/webhook/app"
	"github.com/foreshock/foreshock/webhook/config"
	"github.com/foreshock/foreshock/webhook/notify"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1 // it could not run
	exitUsage = 2 // what a person wrote is wrong
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// flags are what the command line says.
type flags struct {
	file    string
	checked string
	listen  []string
	web     string
	log     promslog.Config
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var f flags
	k := kingpin.New("foreshock-webhook", "Receives the alerts of Alertmanager and Grafana, makes cases of them, and tells people.")
	k.UsageWriter(stdout).ErrorWriter(stderr)
	ended := -1
	k.Terminate(func(code int) {
		if ended < 0 {
			ended = code
		}
	})
	k.Version(version.Print("foreshock-webhook"))
	k.HelpFlag.Short('h')
	promslogflag.AddFlags(k, &f.log)
	serve := k.Command("run", "Serve (the default).").Default()
	serve.Flag("config.file", "Configuration file.").Default("foreshock-webhook.yml").StringVar(&f.file)
	serve.Flag("web.listen-address", "Address to listen on, instead of web.listen of the configuration; repeatable.").StringsVar(&f.listen)
	serve.Flag("web.config.file", "TLS and basic authentication (exporter toolkit format), instead of web.config_file.").StringVar(&f.web)
	check := k.Command("check", "Check a configuration: one sentence per mistake, exit code 2 when there is one.")
	var move migration
	migrating := k.Command("migrate", "Copy the store of a configuration into an empty one of either kind; receivers must be stopped.")
	migrating.Flag("config.file", "Configuration file: its store is copied.").Default("foreshock-webhook.yml").StringVar(&move.config)
	migrating.Flag("to", "Where to: postgres://user:password@host:5432/database, or sqlite:///absolute/path.db.").StringVar(&move.to)
	migrating.Flag("to-file", "File that holds it, so that no password is seen in the list of processes.").StringVar(&move.toFile)
	check.Arg("config", "Configuration file.").Required().StringVar(&f.checked)
	var look preview
	templates := k.Command("template", "Look at messages without sending them.")
	render := templates.Command("render", "Print what a channel would be sent for a delivery of Alertmanager or Grafana.")
	render.Flag("config.file", "Configuration file.").Default("foreshock-webhook.yml").StringVar(&look.config)
	render.Flag("channel", "Name of the channel.").Required().StringVar(&look.channel)
	render.Flag("file", "Delivery, as Alertmanager posts it; - is standard input.").Default("-").StringVar(&look.file)
	render.Flag("lang", "Language instead of the channel's: en or zh-Hans.").EnumVar(&look.lang, "en", "zh-Hans")
	try := k.Command("test-channel", "Send one test message for real.")
	try.Flag("config.file", "Configuration file.").Default("foreshock-webhook.yml").StringVar(&look.config)
	try.Arg("channel", "Name of the channel.").Required().StringVar(&look.channel)

	var sim simulation
	simulated := k.Command("simulate", "Invent incidents, and compare the messages with those of Alertmanager alone (by alertname, 30s, 5m, 4h).")
	simulated.Flag("seed", "Seed of the incidents.").Default("1").Uint64Var(&sim.seed)
	simulated.Flag("seeds", "How many seeds, from that one on.").Default("1").Uint64Var(&sim.seeds)
	simulated.Flag("config.file", "Configuration whose rules are used, instead of the defaults.").StringVar(&sim.file)
	simulated.Flag("json", "One JSON object per seed.").BoolVar(&sim.json)

	var ask question
	explained := k.Command("explain", "Tell what was decided about an alert, why, and what came of it.")
	explained.Arg("alert", `A fingerprint, a case ID, or matchers like alertname="DiskFull",instance="db-1".`).Required().StringVar(&ask.alert)
	explained.Flag("url", "Address of a running service, instead of reading its store.").StringVar(&ask.url)
	explained.Flag("config.file", "Configuration that names the store.").Default("foreshock-webhook.yml").StringVar(&ask.file)
	explained.Flag("json", "As JSON.").BoolVar(&ask.json)
	var rerun again
	replays := k.Command("replay-alerts", "Run rules over stored deliveries on virtual time, and show what would have been sent. Nothing is sent.")
	replays.Flag("config.file", "Configuration whose rules are used.").Default("foreshock-webhook.yml").StringVar(&rerun.file)
	replays.Flag("stored-by", "Configuration that names the store with the deliveries; the same by default.").StringVar(&rerun.stored)
	replays.Flag("since", "How far back.").Default("24h").DurationVar(&rerun.since)
	replays.Flag("escalate", "Escalate, too, as if nobody ever acknowledged.").BoolVar(&rerun.escalate)
	replays.Flag("json", "As JSON.").BoolVar(&rerun.json)

	command, err := k.Parse(args)
	switch {
	case ended >= 0: // --help and --version have written what they say
		return ended
	case err != nil:
		fmt.Fprintf(stderr, "foreshock-webhook: %s; try --help\n", err)
		return exitUsage
	case command == explained.FullCommand():
		return explain(ctx, ask, stdout, stderr)
	case command == replays.FullCommand():
		return replayAlerts(ctx, rerun, stdout, stderr)
	case command == simulated.FullCommand():
		return simulate(ctx, sim, stdout, stderr)
	case command == render.FullCommand():
		return renderMessage(ctx, look, stdout, stderr)
	case command == try.FullCommand():
		return testChannel(ctx, look, stdout, stderr)
	case command == check.FullCommand():
		return checkFile(f.checked, stdout, stderr)
	case command == migrating.FullCommand():
		return migrate(ctx, move, stdout, stderr)
	}
	f.log.Writer = stderr
	return start(ctx, f, promslog.New(&f.log), stderr)
}

// checkFile reads a configuration and opens its channels, without connecting to anything.
func checkFile(path string, stdout, stderr io.Writer) int {
	file, err := config.Load(path)
	if err == nil {
		_, err = file.Open(notify.Env{})
	}
	if err == nil {
		_, err = file.StoreURL()
	}
	if err == nil {
		_, err = file.GrafanaSecret()
	}
	if err == nil {
		_, err = file.Interactions.Slack.Keys()
	}
	if err == nil {
		_, err = file.Interactions.PagerDuty.Keys()
	}
	if err == nil {
		_, err = file.LinkKey()
	}
	if err == nil {
		_, err = file.PrometheusURL()
	}
	if err == nil {
		_, _, err = file.LokiSecrets()
	}
	if err == nil {
		_, err = file.Graph()
	}
	if err == nil {
		_, err = file.Guard(make([]byte, 32), nil)
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "%s: %s\n", path, strings.TrimSuffix(line, "\n"))
		}
		return exitUsage
	}
	fmt.Fprintf(stdout, "%s: good: %d channels, %d routes, %d grade rules\n", path, len(file.Channels), len(file.Routes), len(file.Grades))
	return exitOK
}

// start serves until the context ends.
func start(ctx context.Context, f flags, logger *slog.Logger, stderr io.Writer) int {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), versioncollector.NewCollector("foreshock_webhook"))
	a, err := app.New(ctx, app.Options{ConfigFile: f.file, Listen: f.listen, WebConfigFile: f.web, Log: logger, Registry: reg})
	if err != nil {
		fmt.Fprintf(stderr, "foreshock-webhook: %s\n", err)
		var mistake *config.Error
		if errors.As(err, &mistake) {
			return exitUsage
		}
		return exitError
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	if err := a.Start(); err != nil {
		fmt.Fprintf(stderr, "foreshock-webhook: %s\n", err)
		return exitError
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Wait(ctx) }()
	for {
		select {
		case <-hup:
			_ = a.Reload() // the server logs and counts it
		case err := <-ended:
			if err != nil {
				logger.Error("the listener failed", "err", err)
			}
			logger.Info("stopping")
			if err := a.Stop(); err != nil {
				fmt.Fprintf(stderr, "foreshock-webhook: %s\n", err)
				return exitError
			}
			return exitOK
		}
	}
}

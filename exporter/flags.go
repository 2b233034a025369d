package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/foreshock/foreshock/exporter/collector"
	"github.com/foreshock/foreshock/pkg/registry"
)

// options is what the command line says.
type options struct {
	path                  string // where the metrics are
	ownMetrics            bool
	maxRequests, maxProcs int
	proc, sys, root, udev string
	timeout, offset       time.Duration
	enabled               []string
	collectors            map[string]registry.Decode
	web                   *web.FlagConfig
	logConfig             *promslog.Config
}

func (o *options) logger() *slog.Logger { return promslog.New(o.logConfig) }

// choice is the flag pair of one collector.
type choice struct{ on, set bool }

// parse reads the command line. It returns a text instead when the user asked for help or the version. An error is one sentence.
func parse(args []string) (*options, string, error) {
	var printed bytes.Buffer
	app := kingpin.New(name, "Publishes the metrics of this host and its GPUs for Prometheus.")
	app.Terminate(func(int) { panic(asked{}) }) // help and version end the program inside of kingpin
	app.UsageWriter(&printed).ErrorWriter(io.Discard)
	app.HelpFlag.Short('h')
	app.Version(version.Print(name))

	o := &options{collectors: map[string]registry.Decode{}, logConfig: &promslog.Config{}}
	finish := o.declare(app)
	answered, err := parseWith(app, args)
	switch {
	case answered:
		return nil, strings.TrimRight(printed.String(), "\n"), nil
	case err != nil:
		return nil, "", clearer(err, args)
	}
	return o, "", finish()
}

// asked is thrown when help or the version was printed.
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
	if err := tryValues(app, args); err != nil {
		return false, err
	}
	_, err = app.Parse(args)
	return false, err
}

// tryValues sets each flag once to find the one with a bad value: kingpin's own error does not name it.
func tryValues(app *kingpin.Application, args []string) error {
	parsed, _ := app.ParseContext(args) // Parse will tell the error, and there are no elements then
	if parsed == nil {
		return nil
	}
	for _, e := range parsed.Elements {
		flag, ok := e.Clause.(*kingpin.FlagClause)
		if !ok || e.Value == nil {
			continue
		}
		model := flag.Model()
		if c, ok := model.Value.(interface{ IsCumulative() bool }); ok && c.IsCumulative() {
			continue // setting it twice would count twice
		}
		if err := model.Value.Set(*e.Value); err != nil {
			return fmt.Errorf("--%s: got %q, want %s", model.Name, *e.Value, wanted(model, err))
		}
	}
	return nil
}

// wanted says in words what a flag takes.
func wanted(model *kingpin.FlagModel, err error) string {
	var number *strconv.NumError
	switch {
	case model.Name == "log.level":
		return "one of " + strings.Join(promslog.LevelFlagOptions, ", ")
	case model.Name == "log.format":
		return "one of " + strings.Join(promslog.FormatFlagOptions, ", ")
	case errors.As(err, &number):
		return "a whole number"
	case strings.Contains(err.Error(), "duration"):
		return "a duration like 500ms or 5s"
	}
	return "another value: " + err.Error()
}

// declare adds the flags to app. The function that it returns checks them together once they are parsed.
func (o *options) declare(app *kingpin.Application) func() error {
	app.Flag("web.telemetry-path", "Path under which to expose metrics.").Default("/metrics").StringVar(&o.path)
	noOwn := app.Flag("web.disable-exporter-metrics", "Leave out metrics about the exporter itself (promhttp_*, process_*, go_*).").Bool()
	app.Flag("web.max-requests", "How many scrapes are answered at the same time; 0: no limit.").Default("40").IntVar(&o.maxRequests)
	app.Flag("runtime.gomaxprocs", "On how many CPUs the exporter runs at the same time.").Envar("GOMAXPROCS").Default("1").IntVar(&o.maxProcs)
	app.Flag("path.procfs", "Where procfs is mounted.").Default("/proc").StringVar(&o.proc)
	app.Flag("path.sysfs", "Where sysfs is mounted.").Default("/sys").StringVar(&o.sys)
	app.Flag("path.rootfs", "Where the root file system of the host is mounted.").Default("/").StringVar(&o.root)
	app.Flag("path.udev.data", "Where the udev data base is.").Default("/run/udev/data").StringVar(&o.udev)
	app.Flag("collector.timeout", "How long a collector may take before the scrape goes on without it.").Default("5s").DurationVar(&o.timeout)
	app.Flag("collector.timeout-offset", "How much earlier than Prometheus' own scrape timeout the answer is sent.").Default("500ms").DurationVar(&o.offset)
	noDefaults := app.Flag("collector.disable-defaults", "Turn all collectors off but those that are turned on by a flag.").Bool()
	o.web = kingpinflag.AddFlags(app, ":9100")
	promslogflag.AddFlags(app, o.logConfig)

	choices := map[string]*choice{}
	for _, n := range collector.Collectors.Names() {
		choices[n] = declareCollector(app, n, o.collectors)
	}
	return func() error {
		o.ownMetrics = !*noOwn
		for _, n := range slices.Sorted(maps.Keys(choices)) {
			if c := choices[n]; c.on && (c.set || !*noDefaults) {
				o.enabled = append(o.enabled, n)
			}
		}
		if o.enabled == nil {
			o.enabled = []string{}
		}
		return o.check()
	}
}

// declareCollector adds the switch of a collector and a flag for each of its parameters: mount_points_exclude of filesystem is
// --collector.filesystem.mount-points-exclude.
func declareCollector(app *kingpin.Application, n string, decode map[string]registry.Decode) *choice {
	entry, err := collector.Collectors.Get(n)
	if err != nil {
		panic(err) // the name comes from the registry itself
	}
	c := &choice{}
	on := slices.Contains(collector.OnByDefault(), n)
	app.Flag("collector."+n, "Enable the "+n+" collector: "+entry.Summary+".").Default(strconv.FormatBool(on)).IsSetByUser(&c.set).BoolVar(&c.on)
	type given struct {
		set, boolean, on bool
		text             string
	}
	values := map[string]*given{}
	for _, p := range registry.ParamsOf(entry.New()) {
		v := &given{boolean: p.Type == "boolean"}
		values[p.Name] = v
		flag := app.Flag("collector."+n+"."+strings.ReplaceAll(p.Name, "_", "-"), p.Help).Default(fmt.Sprint(p.Default)).IsSetByUser(&v.set)
		if v.boolean {
			flag.BoolVar(&v.on)
		} else {
			flag.StringVar(&v.text)
		}
	}
	decode[n] = func(target any) error {
		m := map[string]string{}
		for name, v := range values {
			switch {
			case v.set && v.boolean:
				m[name] = fmt.Sprint(v.on)
			case v.set:
				m[name] = v.text
			}
		}
		return registry.FromStrings(m)(target)
	}
	return c
}

// check looks at values that are right by themselves and wrong in use.
func (o *options) check() error {
	switch {
	case o.timeout <= 0:
		return fmt.Errorf("--collector.timeout: got %s, want more than 0s", o.timeout)
	case o.offset < 0:
		return fmt.Errorf("--collector.timeout-offset: got %s, want 0s or more", o.offset)
	case o.maxRequests < 0:
		return fmt.Errorf("--web.max-requests: got %d, want 0 (no limit) or more", o.maxRequests)
	case o.maxProcs < 1:
		return fmt.Errorf("--runtime.gomaxprocs: got %d, want 1 or more", o.maxProcs)
	case !strings.HasPrefix(o.path, "/") || o.path == healthPath:
		return fmt.Errorf("--web.telemetry-path: got %q, want a path that begins with / and is not %s", o.path, healthPath)
	case strings.ContainsAny(o.path, "{}") || strings.ContainsFunc(o.path, unicode.IsSpace): // which mean something in a pattern of http.ServeMux
		return fmt.Errorf("--web.telemetry-path: got %q, want a path like /metrics without {, } and blanks", o.path)
	}
	for _, p := range []struct{ flag, path string }{{"procfs", o.proc}, {"sysfs", o.sys}, {"rootfs", o.root}} {
		if info, err := os.Stat(p.path); err != nil || !info.IsDir() {
			return fmt.Errorf("--path.%s: got %q, want a directory that exists", p.flag, p.path)
		}
	}
	if err := web.Validate(*o.web.WebConfigFile); err != nil {
		return fmt.Errorf("--web.config.file: %w", err)
	}
	return nil
}

// clearer adds what is allowed to an error of kingpin about a collector that does not exist.
func clearer(err error, args []string) error {
	for _, a := range args {
		flag, _, _ := strings.Cut(a, "=")
		for _, prefix := range []string{"--collector.", "--no-collector."} {
			n, ok := strings.CutPrefix(flag, prefix)
			if !ok || !strings.HasPrefix(err.Error(), "unknown long flag") || !strings.Contains(err.Error(), "'"+flag+"'") {
				continue
			}
			base, option, _ := strings.Cut(n, ".")
			entry, unknown := collector.Collectors.Get(base)
			if unknown != nil {
				return fmt.Errorf("%s: %w", flag, unknown)
			}
			names := []string{}
			for _, p := range registry.ParamsOf(entry.New()) {
				names = append(names, strings.ReplaceAll(p.Name, "_", "-"))
			}
			if len(names) == 0 {
				return fmt.Errorf("%s: collector %s has no options", flag, base)
			}
			return fmt.Errorf("%s: collector %s has no option %q: want one of %s", flag, base, option, strings.Join(names, ", "))
		}
	}
	if strings.HasPrefix(err.Error(), "--") {
		return err
	}
	return fmt.Errorf("%w; --help lists the flags", err)
}

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"

	"github.com/foreshock/foreshock/exporter/collector"
	"github.com/foreshock/foreshock/exporter/web"
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
	listen                web.Options
	logConfig             *promslog.Config
}

func (o *options) logger() *slog.Logger { return promslog.New(o.logConfig) }

// choice is the flag pair of one collector.
type choice struct{ on, set bool }

// parse reads the command line. It returns a text instead when the user asked for help or the version. An error is one sentence.
func parse(args []string) (*options, string, error) {
	flags := newFlagSet("Publishes the metrics of this host and its GPUs for Prometheus.")
	o := &options{collectors: map[string]registry.Decode{}, logConfig: &promslog.Config{}}
	finish := o.declare(flags)
	wanted, err := flags.parse(args)
	switch {
	case err != nil:
		return nil, "", clearer(err)
	case wanted == askedHelp:
		return nil, flags.usage(), nil
	case wanted == askedVersion:
		return nil, versionText(), nil
	}
	return o, "", finish()
}

// versionText is the text of --version, in the words of Prometheus' programs.
func versionText() string {
	return fmt.Sprintf("%s, version %s (branch: %s, revision: %s)\n  build user: %s\n  build date: %s\n  go version: %s\n  platform: %s/%s\n  tags: %s",
		name, version.Version, version.Branch, version.GetRevision(), version.BuildUser, version.BuildDate, version.GoVersion, version.GoOS, version.GoArch, version.GetTags())
}

// declare adds the flags. The function that it returns checks them together once they are parsed.
func (o *options) declare(flags *flagSet) func() error {
	var noOwn, noDefaults bool
	flags.text(&o.path, "web.telemetry-path", "/metrics", "Path under which to expose metrics.")
	flags.boolean(&noOwn, "web.disable-exporter-metrics", false, "Leave out metrics about the exporter itself (promhttp_*, process_*, go_*).")
	flags.number(&o.maxRequests, "web.max-requests", 40, "How many scrapes are answered at the same time; 0: no limit.")
	flags.texts(&o.listen.Addresses, "web.listen-address", ":9100", "Where to listen, as :9100, [::1]:9100, unix:/run/exporter.sock or vsock://:9100; may be repeated.")
	flags.boolean(&o.listen.Systemd, "web.systemd-socket", false, "Take the sockets that systemd hands over, and no others.")
	flags.text(&o.listen.ConfigFile, "web.config.file", "",
		"File with TLS and passwords: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md")
	flags.number(&o.maxProcs, "runtime.gomaxprocs", 1, "On how many CPUs the exporter runs at the same time.").env = "GOMAXPROCS"
	flags.text(&o.proc, "path.procfs", "/proc", "Where procfs is mounted.")
	flags.text(&o.sys, "path.sysfs", "/sys", "Where sysfs is mounted.")
	flags.text(&o.root, "path.rootfs", "/", "Where the root file system of the host is mounted.")
	flags.text(&o.udev, "path.udev.data", "/run/udev/data", "Where the udev data base is.")
	flags.duration(&o.timeout, "collector.timeout", 5*time.Second, "How long a collector may take before the scrape goes on without it.")
	flags.duration(&o.offset, "collector.timeout-offset", 500*time.Millisecond, "How much earlier than Prometheus' own scrape timeout the answer is sent.")
	flags.boolean(&noDefaults, "collector.disable-defaults", false, "Turn all collectors off but those that are turned on by a flag.")
	o.logConfig.Level, o.logConfig.Format = promslog.NewLevel(), promslog.NewFormat()
	flags.oneOf(o.logConfig.Level.Set, "log.level", "info", promslog.LevelFlagOptions, "The least severe messages that are logged.")
	flags.oneOf(o.logConfig.Format.Set, "log.format", "logfmt", promslog.FormatFlagOptions, "Format of the log.")

	choices := map[string]*choice{}
	for _, n := range collector.Collectors.Names() {
		choices[n] = declareCollector(flags, n, o.collectors)
	}
	return func() error {
		o.ownMetrics = !noOwn
		for _, n := range slices.Sorted(maps.Keys(choices)) {
			if c := choices[n]; c.on && (c.set || !noDefaults) {
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
func declareCollector(flags *flagSet, n string, decode map[string]registry.Decode) *choice {
	entry, err := collector.Collectors.Get(n)
	if err != nil {
		panic(err) // the name comes from the registry itself
	}
	c := &choice{}
	flags.boolean(&c.on, "collector."+n, slices.Contains(collector.OnByDefault(), n), "Enable the "+n+" collector: "+entry.Summary+".").given = &c.set
	type given struct {
		set, boolean, on bool
		text             string
	}
	values := map[string]*given{}
	for _, p := range registry.ParamsOf(entry.New()) {
		v := &given{boolean: p.Type == "boolean"}
		values[p.Name] = v
		flag := "collector." + n + "." + strings.ReplaceAll(p.Name, "_", "-")
		if v.boolean {
			flags.boolean(&v.on, flag, p.Default == true, p.Help).given = &v.set
		} else {
			flags.text(&v.text, flag, fmt.Sprint(p.Default), p.Help).given = &v.set
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
	if err := o.listen.Validate(); err != nil {
		return fmt.Errorf("--web.config.file: %w", err)
	}
	return nil
}

// clearer adds what is allowed to an error about a collector that does not exist.
func clearer(err error) error {
	var unknown unknownFlag
	if !errors.As(err, &unknown) {
		if strings.HasPrefix(err.Error(), "unexpected") {
			return fmt.Errorf("%w; --help lists the flags", err)
		}
		return err
	}
	for _, prefix := range []string{"--collector.", "--no-collector."} {
		n, ok := strings.CutPrefix(string(unknown), prefix)
		if !ok {
			continue
		}
		base, option, _ := strings.Cut(n, ".")
		entry, noSuch := collector.Collectors.Get(base)
		if noSuch != nil {
			return fmt.Errorf("%s: %w", string(unknown), noSuch)
		}
		names := []string{}
		for _, p := range registry.ParamsOf(entry.New()) {
			names = append(names, strings.ReplaceAll(p.Name, "_", "-"))
		}
		if len(names) == 0 {
			return fmt.Errorf("%s: collector %s has no options", string(unknown), base)
		}
		return fmt.Errorf("%s: collector %s has no option %q: want one of %s", string(unknown), base, option, strings.Join(names, ", "))
	}
	return fmt.Errorf("%w; --help lists the flags", err)
}

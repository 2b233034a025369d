package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/exporter/collector"
	"github.com/foreshock/foreshock/pkg/registry"
)

func TestEnabled(t *testing.T) {
	t.Parallel()
	all := collector.OnByDefault()
	without := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == "nvml" })
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{nil, all},
		{[]string{"--no-collector.nvml"}, without},
		{[]string{"--collector.disable-defaults"}, []string{}},
		{[]string{"--collector.disable-defaults", "--collector.cpu", "--collector.loadavg"}, []string{"cpu", "loadavg"}},
		{[]string{"--collector.cpu", "--collector.disable-defaults", "--no-collector.loadavg"}, []string{"cpu"}},
	} {
		o, _, err := parse(tc.args)
		if err != nil {
			t.Fatalf("%v: %v", tc.args, err)
		}
		if diff := cmp.Diff(tc.want, o.enabled); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tc.args, diff)
		}
	}
}

// TestOptions: a flag reaches its collector, an empty value too.
func TestOptions(t *testing.T) {
	t.Parallel()
	o, _, err := parse([]string{
		"--collector.filesystem.mount-points-exclude=", "--collector.filesystem.mount-timeout=2s", "--no-collector.cpu.guest",
		"--collector.netdev.device-exclude=^lo$",
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"filesystem": `mount_points_exclude= mount_timeout=2s`, "cpu": `guest=false`, "netdev": `device_exclude=^lo$ netlink=true`, "netclass": `ignored_devices=^$`,
	} {
		c, err := collector.Collectors.New(name, o.collectors[name])
		if err != nil {
			t.Fatal(err)
		}
		got := " "
		for _, p := range registry.ParamsOf(c) {
			got += fmt.Sprintf("%s=%v ", p.Name, p.Default)
		}
		for part := range strings.FieldsSeq(want) {
			if !strings.Contains(got, " "+part+" ") {
				t.Errorf("%s: got%s, want %s", name, got, part)
			}
		}
	}
}

// TestBadFlags: one sentence that names the flag, the value and what is allowed.
func TestBadFlags(t *testing.T) {
	t.Parallel()
	all := strings.Join(collector.Collectors.Names(), ", ")
	for args, want := range map[string]string{
		"--collector.cpus":                              `--collector.cpus: unknown collector "cpus": want one of ` + all,
		"--no-collector.cpus":                           `--no-collector.cpus: unknown collector "cpus": want one of ` + all,
		"--collector.netdev.devs=x":                     `--collector.netdev.devs: collector netdev has no option "devs": want one of netlink, device-exclude, device-include`,
		"--collector.stat.softirq":                      `--collector.stat.softirq: collector stat has no options`,
		"--nope":                                        `unknown long flag '--nope'; --help lists the flags`,
		"--collector.timeout=0s":                        `--collector.timeout: got 0s, want more than 0s`,
		"--collector.timeout=soon":                      `--collector.timeout: got "soon", want a duration like 500ms or 5s`,
		"--web.max-requests=many":                       `--web.max-requests: got "many", want a whole number`,
		"--log.format=xml":                              `--log.format: got "xml", want one of logfmt, json`,
		"--web.max-requests=-1":                         `--web.max-requests: got -1, want 0 (no limit) or more`,
		"--runtime.gomaxprocs=0":                        `--runtime.gomaxprocs: got 0, want 1 or more`,
		"--web.telemetry-path=m":                        `--web.telemetry-path: got "m", want a path that begins with / and is not /-/healthy`,
		"--web.telemetry-path=/{":                       `--web.telemetry-path: got "/{", want a path like /metrics without {, } and blanks`,
		"--web.telemetry-path=/x{$}":                    `--web.telemetry-path: got "/x{$}", want a path like /metrics without {, } and blanks`,
		"--web.telemetry-path=/{x}/y":                   `--web.telemetry-path: got "/{x}/y", want a path like /metrics without {, } and blanks`,
		"--path.procfs=/nowhere":                        `--path.procfs: got "/nowhere", want a directory that exists`,
		"--path.rootfs=/dev/null":                       `--path.rootfs: got "/dev/null", want a directory that exists`,
		"--web.config.file=/no.yml":                     `--web.config.file: open /no.yml: no such file or directory`,
		"--log.level=loud":                              `--log.level: got "loud", want one of debug, info, warn, error`,
		"--collector.filesystem.mount-points-exclude=(": "collector filesystem: mount-points-exclude: got \"(\", want a regular expression: error parsing regexp: missing closing ): `(`",
		"--collector.filesystem.mount-timeout=5":        `collector filesystem: parameter "mount_timeout": got "5", want a duration like 90s, 5m, 12h or 7d`,
		"--collector.filesystem.stat-workers=0":         `collector filesystem: parameter "stat_workers": got 0, want 1 to 64`,
		"--collector.netdev.device-exclude=a --collector.netdev.device-include=b":                   `collector netdev: device-include "b" and device-exclude "a": want only one of the two`,
		"--collector.diskstats.device-exclude=[ --collector.disable-defaults --collector.diskstats": "collector diskstats: device-exclude: got \"[\", want a regular expression: error parsing regexp: missing closing ]: `[`",
	} {
		var stdout, stderr strings.Builder
		code := run(t.Context(), strings.Fields(args), &stdout, &stderr)
		if code != 2 || stderr.String() != "foreshock-exporter: "+want+"\n" || stdout.Len() > 0 {
			t.Errorf("%s: exit %d\n got %swant foreshock-exporter: %s", args, code, stderr.String(), want)
		}
	}
}

// TestTelemetryPaths: no path that is accepted ends the program, and none with a blank is accepted.
func TestTelemetryPaths(t *testing.T) {
	t.Parallel()
	set, err := collector.NewSet(collector.Config{Host: collector.ThisHost(slog.New(slog.DiscardHandler)), Log: slog.New(slog.DiscardHandler), Enabled: []string{"time"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	for path, want := range map[string]bool{
		"/": true, "/metrics": true, "/m/": true, "/a/b": true, "/%zz": true, "/ä": true, "//": true, "/a%7Bb": true, "/GET": true, "/api/v1/templates": true,
		"/a b": false, "/a\tb": false, "/ ": false, "/a\nb": false, "/}": false, "/{}": false, "/{a...}": false, "/a{b": false, healthPath: false,
	} {
		o, _, err := parse([]string{"--web.telemetry-path=" + path})
		if (err == nil) != want {
			t.Errorf("%q: %v", path, err)
		}
		if err == nil {
			if _, err = newHandler(o, set, slog.New(slog.DiscardHandler)); err != nil {
				t.Errorf("%q: %v", path, err)
			}
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"--help": "--[no-]collector.filesystem", "-h": "--collector.filesystem.mount-points-exclude", "--version": "foreshock-exporter, version",
	} {
		var stdout, stderr strings.Builder
		if code := run(t.Context(), []string{arg}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), want) || stderr.Len() > 0 {
			t.Errorf("%s: exit %d, want 0 and %q in:\n%s%s", arg, code, want, stdout.String(), stderr.String())
		}
	}
}

// TestLimit: the collectors end before Prometheus gives up, whatever it says.
func TestLimit(t *testing.T) {
	t.Parallel()
	m := &metrics{timeout: 5 * time.Second, offset: 500 * time.Millisecond}
	for header, want := range map[string]time.Duration{
		"": 5 * time.Second, "10": 5 * time.Second, "3": 2500 * time.Millisecond, "5.2": 4700 * time.Millisecond, "0.6": 300 * time.Millisecond,
		"1e300": 5 * time.Second, "-1": 5 * time.Second, "NaN": 5 * time.Second, "soon": 5 * time.Second, "0": 5 * time.Second, "+Inf": 5 * time.Second,
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set(timeoutHeader, header)
		if got := m.limit(r); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// demo is one run.
type demo struct {
	options options
	story   *story
	stack   *stack
	told    *told
	grafana *grafana
}

// victim is the service that gets slow.
const victim = "checkout"

// run starts everything, breaks something, follows the alerts, and stays up unless --once was given. Everything is gone when it returns.
func (d *demo) run(ctx context.Context) error {
	dir, err := os.MkdirTemp(d.options.tmp, "foreshock-demo-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() {
		if d.options.keep {
			d.story.say("Kept: %s", dir)
			return
		}
		os.RemoveAll(dir)
	}()
	d.stack = &stack{dir: dir, logs: filepath.Join(dir, "logs")}
	defer d.stack.stop()
	for _, sub := range []string{d.stack.logs, filepath.Join(dir, "bin"), filepath.Join(dir, "prometheus")} {
		if err := os.Mkdir(sub, 0o750); err != nil {
			return fmt.Errorf("making a temporary folder: %w", err)
		}
	}
	if err := d.start(ctx, dir); err != nil {
		if ctx.Err() != nil {
			return errStopped
		}
		return err
	}
	if err := d.show(ctx); err != nil {
		return err
	}
	if d.options.handled != nil {
		d.options.handled(ctx, d)
	}
	if d.options.once {
		return nil
	}
	return d.stay(ctx)
}

// start brings everything up and waits until the shop is judged.
func (d *demo) start(ctx context.Context, dir string) error {
	var b binaries
	var building atomic.Value
	building.Store("")
	err := d.story.during("building", func() string { return building.Load().(string) }, func() (err error) {
		b, err = findBinaries(ctx, d.options, filepath.Join(dir, "bin"), func(what string) { building.Store(what) })
		return err
	})
	if err != nil {
		return err
	}
	began := time.Now()
	if err := d.stack.start(ctx, d.options, b, d.story); err != nil {
		return err
	}
	d.story.say("Prometheus (%s), Alertmanager, exporter, scorer, webhook and plugin are up after %s.", d.options.stack, time.Since(began).Round(100*time.Millisecond))
	d.told = &told{}
	if err := d.startGrafana(ctx, b); err != nil {
		return err
	}
	ok, text, err := d.stack.plugin.health(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the plugin is not well: %s", text)
	}
	d.story.say("The plugin says: %s", text)
	if err := d.awaitVerdicts(ctx); err != nil {
		return err
	}
	return d.awaitLogs(ctx)
}

// verdictLimit is how long the scorer may take for its first verdicts: it reads a week of a dozen series.
const verdictLimit = 2 * time.Minute

// awaitVerdicts waits until the scorer judges the victim, and finds it ordinary.
func (d *demo) awaitVerdicts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, verdictLimit)
	defer cancel()
	began := time.Now()
	err := d.story.during("waiting for the scorer's first verdict", nothing, func() error {
		for {
			score, found, err := d.score(ctx, "foreshock_score")
			anomalous, _, _ := d.score(ctx, "foreshock_anomalous")
			if found && !math.IsNaN(score) && anomalous == 0 {
				d.story.say("Before: the score of %s is %.2f; 1 is an anomaly. First verdict after %s.", victim, score, time.Since(began).Round(100*time.Millisecond))
				return nil
			}
			select {
			case <-ctx.Done():
				return errors.Join(fmt.Errorf("the scorer did not find %s ordinary within %s; it wrote last: %s", victim, verdictLimit, d.stack.scorer.log.last()), err)
			case <-d.stack.scorer.exited:
				return fmt.Errorf("the scorer ended: %s", d.stack.scorer.log.last())
			case <-time.After(250 * time.Millisecond):
			}
		}
	})
	return err
}

func (d *demo) score(ctx context.Context, name string) (float64, bool, error) {
	return scorerSays(ctx, "http://"+d.stack.addresses.Scorer+"/metrics", name, "shop-latency", victim)
}

// show injects the faults and follows their alerts.
func (d *demo) show(ctx context.Context) error {
	host := d.hostChain(ctx)
	d.inject()
	collected := make(chan struct{})
	collecting, stop := context.WithCancel(ctx)
	go func() { defer close(collected); d.collect(collecting) }()
	defer func() { stop(); <-collected }()

	// The plugin and the host's alert are followed beside the main chain; a break of any of them counts.
	chains := []func() error{
		func() error { return d.latencyChain().follow(ctx, d.story, d.options.timeout) },
		func() error { return d.pluginChain().follow(ctx, d.story, d.options.timeout) },
		func() error { return d.followHost(ctx, host) },
	}
	errs := make([]error, len(chains))
	var all sync.WaitGroup
	for i, c := range chains {
		all.Go(func() { errs[i] = c() })
	}
	all.Wait()
	if ctx.Err() != nil {
		return errStopped
	}
	if err := d.drawPicture(ctx, victim); err != nil {
		errs = append(errs, fmt.Errorf("drawing the picture: %w", err))
	} else {
		d.story.say("Picture: %s", absolute(d.options.output))
	}
	return errors.Join(errs...)
}

// inject makes the victim slow and the host busy.
func (d *demo) inject() {
	d.story.injected = time.Now()
	d.stack.shop.slow(victim, d.options.factor, d.story.injected)
	d.story.event(d.story.injected, "fault", "%s answers %.3g times slower", victim, d.options.factor)
	if d.options.burnCores == 0 {
		return
	}
	cmd, err := burnCommand(d.options.burnCores, d.options.burnTime)
	if err == nil {
		var p *process
		if p, err = startProcess(d.stack.logs, "burn", cmd); err == nil {
			d.stack.onStop(p.Stop)
			d.story.event(time.Now(), "fault", "%d core(s) of this machine are busy for %s", d.options.burnCores, d.options.burnTime)
			return
		}
	}
	d.story.event(time.Now(), "fault", "no CPU could be burnt: %v", err)
}

// collect takes notifications as they arrive and tells of those that open nothing.
func (d *demo) collect(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-d.stack.inbox.got:
			d.told.add(n)
			if n.What != cases.WhatOpened || !d.followed(n) {
				d.story.event(n.at, "notification", "received: %q", n.Subject)
			}
		}
	}
}

// Alerts whose way is shown link by link.
var (
	latencyAlert = target{"ShopLatencyAnomaly", "service", victim}
	hostAlert    = target{"HostHighCpu", "instance", "this-host"}
)

// followed reports whether a notification belongs to such an alert.
func (d *demo) followed(n notice) bool {
	return latencyAlert.matches(n.Case.Labels) || hostAlert.matches(n.Case.Labels)
}

// latencyChain is the way of the victim's alert.
func (d *demo) latencyChain() *chain {
	links := []*link{
		{
			where: "scorer", missing: "the scorer published no score of 1 or more for " + victim, hint: d.lastOf(d.stack.scorer),
			look: func(ctx context.Context) (sighting, bool, error) {
				x, found, err := d.score(ctx, "foreshock_score")
				return sighting{detail: fmt.Sprintf("foreshock_score %.1f: the first sample that is not ordinary", x)}, found && x >= 1, err
			},
		}, {
			where: "scorer", missing: "the scorer's policy confirmed no anomaly of " + victim, hint: d.lastOf(d.stack.scorer),
			look: func(ctx context.Context) (sighting, bool, error) {
				x, found, err := d.score(ctx, "foreshock_anomalous")
				return sighting{detail: "foreshock_anomalous 1: confirmed by 2 of 3 samples"}, found && x == 1, err
			},
		},
	}
	return &chain{"the latency of " + victim, append(links, d.alertLinks(latencyAlert)...)}
}

// pluginChain is the verdict of the plugin, which judges by itself, as it does for a panel or a rule of Grafana.
func (d *demo) pluginChain() *chain {
	return &chain{"the plugin's verdict", []*link{{where: "plugin", missing: "the plugin found no anomaly of " + victim, look: d.pluginSays}}}
}

// pluginSays asks the plugin for the newest score, as an alert rule of Grafana does, but not more often than every two seconds.
func (d *demo) pluginSays(ctx context.Context) (sighting, bool, error) {
	now := time.Now()
	frames, err := d.stack.plugin.query(ctx, detectQuery("latest"), now.Add(-10*time.Minute), now, 43_200)
	if err != nil {
		return sighting{}, false, err
	}
	for _, f := range frames {
		for _, field := range f.Fields {
			if field.Labels["service"] != victim || field.Len() == 0 {
				continue
			}
			if x, err := field.NullableFloatAt(0); err == nil && x != nil && *x >= 1 {
				return sighting{detail: fmt.Sprintf("says the same over Grafana's protocol: score %.1f, anomalous", *x)}, true, nil
			}
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(patience):
	}
	return sighting{}, false, nil
}

// hostChain is the way of the host's alert, nil where it cannot be seen: no CPU is burnt, or the rule fires before.
func (d *demo) hostChain(ctx context.Context) *chain {
	if d.options.burnCores == 0 {
		return nil
	}
	if _, fires, _ := prometheusFires(ctx, d.stack.prometheus.URL(), hostAlert); fires {
		d.story.say("This machine is busy already: its rule HostHighCpu fires before the fault, so nothing is to be learnt from burning CPU.")
		return nil
	}
	return &chain{"the busy host", d.alertLinks(hostAlert)}
}

// followHost follows the host's alert. That its rule does not fire is no break: in a container the host may be much larger than what may be burnt.
func (d *demo) followHost(ctx context.Context, c *chain) error {
	if c == nil {
		return nil
	}
	err := c.follow(ctx, d.story, min(d.options.timeout, d.options.burnTime+20*time.Second))
	var broken *brokenChain
	if errors.As(err, &broken) && broken.link == c.links[0] {
		d.story.say("The rule HostHighCpu did not fire: this machine has more CPU than could be burnt.")
		return nil
	}
	return err
}

// stay prints the URLs and what still happens until the user has seen enough.
func (d *demo) stay(ctx context.Context) error {
	s := d.stack
	d.story.say("\nStill up, until Ctrl-C:")
	for _, l := range [][2]string{
		{"Prometheus", s.prometheus.URL()},
		{"Alertmanager", s.alertmanager.URL()},
		{"cases", s.webhookURL("/")},
		{"scorer", "http://" + s.addresses.Scorer + "/metrics"},
		{"exporter", "http://" + s.addresses.Exporter + "/metrics"},
		{"shop", s.shopURL},
	} {
		d.story.say("  %-13s %s", l[0], l[1])
	}
	if d.options.stack == stackEmbedded {
		d.story.say("  (the embedded two answer their APIs, such as %s/api/v1/alerts; their pages are not in the Go modules)", s.prometheus.URL())
	}
	d.grafana.tell(d.story)
	d.story.say("")
	collecting := make(chan struct{})
	go func() { defer close(collecting); d.collect(ctx) }()
	defer func() { <-collecting }()
	over := time.NewTimer(time.Until(d.story.injected.Add(d.options.faultTime)))
	defer over.Stop()
	redraw := make(<-chan time.Time)
	for {
		select {
		case <-ctx.Done():
			d.story.say("Stopping.")
			return nil
		case <-over.C:
			s.shop.slow(victim, 1, time.Now())
			d.story.event(time.Now(), "fault", "over: %s is as before", victim)
			redraw = time.After(recovery)
		case <-redraw:
			if err := d.drawPicture(ctx, victim); err != nil {
				return fmt.Errorf("drawing the picture: %w", err)
			}
			d.story.say("Picture, with the recovery: %s", absolute(d.options.output))
		}
	}
}

// recovery is how long after the end of the fault the picture is drawn again: the window of the rate has passed, and the quiet samples too.
const recovery = 2 * time.Minute

func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

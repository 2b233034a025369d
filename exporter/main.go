// Command foreshock-exporter publishes the metrics of a Linux host and its NVIDIA GPUs for Prometheus.
//
// It takes the place of node_exporter: same port, same metric names, same flags. What it adds: a collector or a mount that hangs never holds up a
// scrape, ready ratios, GPUs under the names of dcgm-exporter.
//
//	foreshock-exporter --web.listen-address=:9100
//	curl http://127.0.0.1:9100/metrics
//
// Exit status: 0 after a signal, 1 when it cannot serve, 2 for a flag that it does not understand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/foreshock/foreshock/exporter/collector"
)

const name = "foreshock-exporter"

// gcPercent is how much the heap may grow before it is cleaned, in percent of what is in use. Go's own 100 costs a megabyte more on each host and saves a
// twentieth of the CPU time of a scrape; the variable GOGC has the last word.
const gcPercent = 40

// drain is how long a scrape in progress may take to end after a signal.
const drain = 5 * time.Second

func main() {
	runtime.MemProfileRate = 0 // nobody can ask for the profile, and its table is half a megabyte
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program: it serves until ctx ends and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, text, err := parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 2
	}
	if text != "" {
		fmt.Fprintln(stdout, text)
		return 0
	}
	o.logConfig.Writer = stderr
	log := o.logger()
	runtime.GOMAXPROCS(o.maxProcs)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	h := collector.ThisHost(log)
	h.Proc, h.Sys, h.Root, h.Udev = o.proc, o.sys, o.root, o.udev
	set, err := collector.NewSet(collector.Config{Host: h, Log: log, Enabled: o.enabled, Options: o.collectors})
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 2
	}
	defer func() {
		if err := set.Close(); err != nil {
			log.Warn("A collector does not end", "err", err)
		}
	}()
	handler, err := newHandler(o, set, log)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 2
	}
	log.Info("Starting "+name, "version", version.Info(), "build", version.BuildContext(), "collectors", set.Names())
	between, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		set.Run(between)
	}()
	err = serve(ctx, o, handler, log)
	stop()
	select {
	case <-ended:
	case <-time.After(drain): // one that is deaf must not keep the program
	}
	if err != nil {
		log.Error("Cannot serve", "err", err)
		return 1
	}
	return 0
}

// serve answers requests until ctx ends, then lets those in progress finish.
func serve(ctx context.Context, o *options, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute,
		WriteTimeout: o.timeout + time.Minute, // a client that does not read must not keep one of the slots
	}
	done := make(chan error, 1)
	go func() { done <- web.ListenAndServe(server, o.web, log) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	log.Info("Stopping")
	limit, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		_ = server.Close() // the time is over; who is still connected is cut off
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

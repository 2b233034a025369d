// Command demo runs the whole chain on one machine, with real parts: a host's and a shop's metrics, Prometheus, the scorer, Alertmanager, the
// webhook, and the Grafana plugin's binary. It backfills two weeks of history, breaks something, and prints what happens in seconds since then.
//
// The idea: who wants to know what Foreshock does should see it within a minute or two, with nothing else installed, and nothing of it played:
// the detection is the one that users get, over PromQL; only the shop behind the numbers is synthetic, and the steps are short.
//
//	go run ./pkg/cmd/demo            # stays up with its URLs until Ctrl-C
//	go run ./pkg/cmd/demo --once     # exits 0 when the alert was handled, 1 and a sentence when the chain broke
//
// All of it listens on loopback, on free ports, in a temporary folder that is removed at the end. It is not for production: its rules, intervals
// and receivers are those of a demo; provisioning/ has the ones to start from.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == burnWord {
		os.Exit(burn(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program: 0 when the alert was handled or the user ended it after that, 1 when the chain broke, 2 for a flag that it does not understand.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, text, err := parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "demo: %v\n", err)
		return 2
	}
	if text != "" {
		fmt.Fprintln(stdout, text)
		return 0
	}
	d := &demo{options: o, story: &story{w: stdout}}
	if err := d.run(ctx); err != nil {
		fmt.Fprintf(stderr, "demo: %v\n", err)
		return 1
	}
	return 0
}

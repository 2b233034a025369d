package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/foreshock/foreshock/webhook/config"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/replay"
)

// simulation is what the command line says.
type simulation struct {
	seed  uint64
	seeds uint64
	file  string
	json  bool
}

// simulate compares the flow with Alertmanager alone on invented incidents.
func simulate(ctx context.Context, s simulation, stdout, stderr io.Writer) int {
	rules := policy.DefaultRules()
	rules.Noise = policy.DefaultNoise()
	if s.file != "" {
		file, err := config.Load(s.file)
		if err != nil {
			fmt.Fprintf(stderr, "%s: %s\n", s.file, err)
			return exitUsage
		}
		rules = file.Rules
	}
	// One channel for both sides: what is compared is how often people are told.
	rules.Routes = []policy.Route{{Name: "all", Channels: []string{"chat"}}}
	enc := json.NewEncoder(stdout)
	if !s.json {
		fmt.Fprintf(stdout, "%6s %9s %7s %8s %13s %10s %10s %12s %7s %6s\n", "seed", "incidents", "alerts", "changes", "alertmanager", "foreshock", "fewer", "independent", "hidden", "mixed")
	}
	for seed := s.seed; seed < s.seed+s.seeds; seed++ {
		dir, err := os.MkdirTemp("", "foreshock-simulate-")
		if err != nil {
			fmt.Fprintf(stderr, "foreshock-webhook: %s\n", err)
			return exitError
		}
		c, err := replay.Simulate(ctx, seed, rules, dir)
		_ = os.RemoveAll(dir) // a scratch folder: what stays is the system's to clean
		if err != nil {
			fmt.Fprintf(stderr, "foreshock-webhook: seed %d: %s\n", seed, err)
			return exitError
		}
		if s.json {
			_ = enc.Encode(c) // stdout may be closed: nothing is left to do
			continue
		}
		fmt.Fprintf(stdout, "%6d %9d %7d %8d %13d %10d %9.1f%% %12d %7d %6d\n",
			c.Seed, c.Incidents, c.Alerts, c.Changes, c.Peer, c.Ours, 100*c.Reduction, c.Independent, len(c.Hidden), c.Mixed)
		for _, h := range c.Hidden {
			fmt.Fprintf(stdout, "       hidden: incident %s\n", h)
		}
	}
	return exitOK
}

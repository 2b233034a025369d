package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/config"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/replay"
	"github.com/foreshock/foreshock/webhook/stage"
	"github.com/foreshock/foreshock/webhook/store"
)

// question is what the command line asks.
type question struct {
	alert string
	url   string // of a running service
	file  string // configuration that names the store
	json  bool
}

// maxAnswer bounds the answer of a service.
const maxAnswer = 64 << 20

// explain tells what was decided about an alert: it asks a running service, or reads the store.
func explain(ctx context.Context, q question, stdout, stderr io.Writer) int {
	var all []stage.Explanation
	var err error
	if q.url != "" {
		all, err = askService(ctx, q)
	} else {
		var db *store.DB
		if db, err = openStore(ctx, q.file); err == nil {
			all, err = stage.Explain(ctx, db, q.alert)
			err = errors.Join(err, db.Close())
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "foreshock-webhook: %s\n", err)
		if errors.Is(err, stage.ErrNoQuestion) {
			return exitUsage
		}
		return exitError
	}
	if q.json {
		_ = json.NewEncoder(stdout).Encode(map[string]any{"explanations": all}) // stdout may be closed: nothing is left to do
		return exitOK
	}
	if len(all) == 0 {
		fmt.Fprintf(stdout, "nothing is known of %q\n", q.alert)
		return exitError
	}
	for _, e := range all {
		fmt.Fprint(stdout, message.PlainLines(e.Text())+"\n")
	}
	return exitOK
}

func askService(ctx context.Context, q question) ([]stage.Explanation, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(q.url, "/")+"/api/v1/explain?alert="+url.QueryEscape(q.alert), nil)
	if err != nil {
		return nil, errors.New("--url: want an address like http://localhost:9099")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var ue *url.Error // its text holds the URL, and with it perhaps a password
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, fmt.Errorf("asking the service: %w", err)
	}
	defer resp.Body.Close()
	var out struct {
		Explanations []stage.Explanation `json:"explanations"`
		Error        string              `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&out); err != nil {
		return nil, fmt.Errorf("the service answered %s, which cannot be read: %w", resp.Status, err)
	}
	if out.Error != "" || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the service answered %s: %s", resp.Status, out.Error)
	}
	return out.Explanations, nil
}

// openStore opens the store of a configuration for reading, beside the process that owns it.
func openStore(ctx context.Context, path string) (*store.DB, error) {
	file, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	address, err := file.StoreURL()
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Options{URL: address.Reveal(), ReadOnly: true})
}

// again is what the command line says of a replay.
type again struct {
	file     string // configuration whose rules are used
	stored   string // configuration that names the store; empty: the same
	since    time.Duration
	escalate bool
	json     bool
}

// replayed is the outcome of a replay.
type replayed struct {
	replay.Coverage
	Since     time.Time                               `json:"since"`
	Decisions map[stage.Decision]map[stage.Reason]int `json:"decisions"`
	ByChannel map[string]int                          `json:"byChannel"`
	Messages  []replay.Sent                           `json:"messages"`
}

// replayAlerts runs rules over stored deliveries on virtual time, and shows what would have been sent.
func replayAlerts(ctx context.Context, o again, stdout, stderr io.Writer) int {
	out, err := doReplay(ctx, o)
	if err != nil {
		fmt.Fprintf(stderr, "foreshock-webhook: %s\n", err)
		var mistake *config.Error
		if errors.As(err, &mistake) {
			return exitUsage
		}
		return exitError
	}
	if o.json {
		_ = json.NewEncoder(stdout).Encode(out) // stdout may be closed: nothing is left to do
		return exitOK
	}
	for _, m := range out.Messages {
		n := m.Notice
		fmt.Fprintf(stdout, "%s  %-12s %-10s %s  %s (%d of %d fire)\n", m.At.UTC().Format(time.DateTime), message.Plain(m.Channel), n.What, n.Case.Grade,
			message.Plain(n.Case.Title), n.Case.Firing, n.Case.Total)
	}
	fmt.Fprintf(stdout, "\n%d deliveries with %d alerts since %s\n", out.Deliveries, out.Alerts, out.Since.UTC().Format(time.DateTime))
	if left := out.Gone + out.Cut + out.Broken; left > 0 {
		fmt.Fprintf(stdout, "%d deliveries left out: %d no longer kept, %d kept in part, %d unreadable\n", left, out.Gone, out.Cut, out.Broken)
	}
	for _, d := range []stage.Decision{stage.Accepted, stage.Merged, stage.Held, stage.Muted, stage.Dropped} {
		for _, r := range stage.Reasons()[d] {
			if n := out.Decisions[d][r]; n > 0 {
				fmt.Fprintf(stdout, "  %-9s %-12s %d\n", d, r, n)
			}
		}
	}
	fmt.Fprintf(stdout, "%d messages would have been sent\n", len(out.Messages))
	return exitOK
}

func doReplay(ctx context.Context, o again) (replayed, error) {
	var out replayed
	file, err := config.Load(o.file)
	if err != nil {
		return out, err
	}
	graph, err := file.Graph()
	if err != nil {
		return out, err
	}
	stored := o.stored
	if stored == "" {
		stored = o.file
	}
	db, err := openStore(ctx, stored)
	if err != nil {
		return out, err
	}
	defer db.Close()
	dir, err := os.MkdirTemp("", "foreshock-replay-")
	if err != nil {
		return out, err
	}
	defer os.RemoveAll(dir)
	options := replay.Options{Rules: file.Rules, Dir: dir, Escalate: o.escalate}
	if graph != nil {
		options.Graph = graph
	}
	w, err := replay.New(ctx, options)
	if err != nil {
		return out, err
	}
	defer w.Close()
	now := time.Now()
	out.Since = now.Add(-o.since)
	// What is held back at the end is told within the longest hold and wait for the end of a case.
	rest := time.Hour + time.Duration(max(file.Noise.Hold.Resolved, file.Noise.Hold.P3, policy.Duration(0)))
	if out.Coverage, err = w.Stored(ctx, db, out.Since, now, rest); err != nil {
		return out, err
	}
	out.Decisions, out.Messages, out.ByChannel = w.Decisions, w.Messages, map[string]int{}
	for _, m := range out.Messages {
		out.ByChannel[m.Channel]++
	}
	return out, nil
}

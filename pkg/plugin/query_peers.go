package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func init() {
	Kinds.Add(registry.Entry[Kind]{
		Name:    "peers",
		Summary: "Compares the series of a PromQL expression with each other: which member of a fleet differs from its siblings.",
		Source:  "docs/plugin.md",
		New: func() Kind {
			return &peersQuery{detectQuery: detectQuery{Detector: "mad", Walk: detect.DefaultWalk(), policy: detect.DefaultPolicy(), Output: outputSeries}}
		},
	})
}

// peersQuery asks which series differ from the others.
type peersQuery struct {
	detectQuery
	GroupBy []string `json:"group_by" help:"Labels that tell fleets apart, like job: only series with the same values of them are compared. None compares all."`

	peers detect.Peers
}

// Validate checks what depends on several fields, and makes the detector.
func (q *peersQuery) Validate() error {
	if strings.TrimSpace(q.Expr) == "" {
		return errors.New("parameter \"expr\": got nothing, want a PromQL expression")
	}
	if err := q.Walk.Validate(); err != nil {
		return err
	}
	if err := q.Walk.Fits(q.policy); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	if err := (detect.JudgePeers{Policy: q.policy}).Validate(); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	var err error
	q.peers, err = detect.PeerDetectors.New(q.Detector, registry.FromJSON(q.params))
	q.working = q.peers
	return err
}

// Run fetches the samples, compares the members of every fleet, and writes the frames.
func (q *peersQuery) Run(ctx context.Context, r Request) (data.Frames, error) {
	expr, err := expand(q.Expr, macros(q.Step, q.Train, r.Settings.TimeInterval))
	if err != nil {
		return nil, inputError{err}
	}
	shown, err := q.shown(r)
	if err != nil {
		return nil, inputError{err}
	}
	o := &outcome{query: &q.detectQuery, request: r, expr: expr, shown: shown}
	if shown.N > 0 {
		if err := o.runPeers(ctx, q); err != nil {
			return nil, err
		}
	}
	return o.all(), nil
}

func (o *outcome) runPeers(ctx context.Context, q *peersQuery) error {
	r := o.request
	if err := o.ask(ctx, func() (err error) {
		o.answer, err = r.Source.Range(ctx, o.expr, o.fetched)
		return err
	}); err != nil {
		return err
	}
	judge := detect.JudgePeers{Name: q.Detector, Detector: q.peers, Walk: q.Walk, Policy: q.policy, Fits: r.Fits, HistoryStart: o.history.Start(r.Now.UnixMilli())}
	chosen := map[string]bool{}
	for _, s := range o.choose() {
		chosen[s.Labels.String()] = true
	}
	// A fleet is all of its members in the answer: what is shown chooses among the verdicts, and does not change them.
	fleets := slices.DeleteFunc(o.answer.Set.GroupBy(q.GroupBy...), func(g series.Group) bool {
		return !slices.ContainsFunc(g.Members, func(s series.Series) bool { return chosen[s.Labels.String()] })
	})
	found := make([][]judged, len(fleets))
	err := o.timed(func() error {
		return inParallel(ctx, len(fleets), func(ctx context.Context, i int) (err error) {
			found[i], err = o.fleet(ctx, judge, fleets[i], chosen)
			return err
		})
	})
	for _, f := range found {
		o.judged = append(o.judged, f...)
	}
	if o.query.Output == outputSeries {
		for i, j := range o.judged { // who is drawn how is known only now
			o.judged[i].frame = o.seriesFrame(j.name, j.verdicts, lookOf(r.RefID, i, len(o.judged)))
			o.judged[i].verdicts = detect.Verdicts{}
		}
	}
	return err
}

// fleet compares the members of one fleet, and keeps what was found of the chosen ones, by their labels.
func (o *outcome) fleet(ctx context.Context, judge detect.JudgePeers, g series.Group, chosen map[string]bool) ([]judged, error) {
	f := o.fleetOf(g, chosen)
	all, err := judge.Fleet(ctx, f, o.shown.Start, o.shown.At(o.shown.N-1))
	if err != nil {
		return nil, fmt.Errorf("peer detector %s: %w", judge.Name, err)
	}
	var out []judged
	for i, v := range all {
		s := g.Members[i]
		if !chosen[s.Labels.String()] {
			continue
		}
		kept := judged{name: o.name(s.Labels), labels: s.Labels, episodes: v.Episodes, notices: v.Notices, promise: v.Calibration}
		switch o.query.Output {
		case outputSeries:
			kept.verdicts = v
		case outputLatest:
			kept.frame = latestFrame(kept.name, v)
		}
		out = append(out, kept)
	}
	return out, nil
}

// fleetOf returns a fleet with the masks of its members.
func (o *outcome) fleetOf(g series.Group, chosen map[string]bool) detect.Fleet {
	f := detect.Fleet{Labels: g.Labels, Set: g.Set}
	for _, s := range g.Members {
		mask, _ := o.clean.Mask(s.Labels)
		if chosen[s.Labels.String()] {
			mask = o.mask(s.Labels) // which counts it where the filter says nothing
		}
		f.Clean = append(f.Clean, mask)
	}
	return f
}

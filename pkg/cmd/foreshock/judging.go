package main

import (
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// judging is the flags that say how samples are judged.
type judging struct {
	detector                           string
	params, policy                     []string
	step, train, refit, minTrain, zone string
	fit                                string

	fitting fitting
	judge   detect.Judge
	// ownHorizon is set when the policy's horizon was given.
	ownHorizon bool
}

func (j *judging) flags(p program, cmd *kingpin.CmdClause) {
	j.flagsOf(p, cmd, detect.Detectors.Names(), "auto")
	cmd.Flag("fit", p.text("help.fit")).Default("anchored").StringVar(&j.fit)
}

// flagsOf adds the flags that detectors of every shape have: names are theirs, and usual the default.
func (j *judging) flagsOf(p program, cmd *kingpin.CmdClause, names []string, usual string) {
	j.fit = "anchored"
	cmd.Flag("detector", p.text("help.detector", "names", strings.Join(names, ", "))).Short('d').Default(usual).StringVar(&j.detector)
	cmd.Flag("param", p.text("help.param")).Short('p').PlaceHolder("KEY=VALUE").StringsVar(&j.params)
	cmd.Flag("policy", p.text("help.policy")).PlaceHolder("KEY=VALUE").StringsVar(&j.policy)
	w := detect.DefaultWalk()
	cmd.Flag("step", p.text("help.step")).Default("auto").StringVar(&j.step)
	cmd.Flag("train", p.text("help.train")).PlaceHolder(w.Train.String()).StringVar(&j.train)
	cmd.Flag("refit", p.text("help.refit")).PlaceHolder(w.Refit.String()).StringVar(&j.refit)
	cmd.Flag("min-train", p.text("help.min-train")).PlaceHolder(w.MinTrain.String()).StringVar(&j.minTrain)
	cmd.Flag("zone", p.text("help.zone")).PlaceHolder(w.Zone).StringVar(&j.zone)
}

// read checks everything that does not depend on the input.
func (j *judging) read() error {
	return j.readWith(func(decode registry.Decode) (err error) {
		j.judge.Detector, err = detect.Detectors.New(j.detector, decode)
		return err
	})
}

// readWith is read with detectors of any shape, which made makes.
func (j *judging) readWith(made func(registry.Decode) error) error {
	var err error
	if j.fitting, err = parseFitting(j.fit); err != nil {
		return err
	}
	params, err := pairs("--param", j.params)
	if err != nil {
		return err
	}
	policy, err := pairs("--policy", j.policy)
	if err != nil {
		return err
	}
	j.judge = detect.Judge{Name: j.detector, Policy: detect.DefaultPolicy()}
	if err := made(registry.FromStrings(params)); err != nil {
		return badInput(err)
	}
	if err := registry.DecodeInto(&j.judge.Policy, registry.FromStrings(policy)); err != nil {
		return badInputf("--policy: %w", err)
	}
	_, j.ownHorizon = policy["horizon"]
	step := j.step
	if step == "auto" {
		step = detect.DefaultWalk().Step.String()
	}
	_, err = j.at(step)
	return err
}

// at returns the judge for that step. Defaults that are no multiple of it are rounded up, and a
// default horizon in which no episode could be confirmed is lengthened.
func (j *judging) at(step string) (detect.Judge, error) {
	given := map[string]string{"step": step}
	for name, v := range map[string]string{"train": j.train, "refit": j.refit, "min_train": j.minTrain, "zone": j.zone} {
		if v != "" {
			given[name] = v
		}
	}
	judge := j.judge
	judge.Walk = detect.DefaultWalk()
	if d, err := registry.ParseDuration(step); err == nil && d > 0 {
		for _, w := range []*registry.Duration{&judge.Walk.Train, &judge.Walk.Refit} {
			*w = (*w + d - 1) / d * d
		}
	}
	if train, err := registry.ParseDuration(j.train); err == nil && j.minTrain == "" {
		judge.Walk.MinTrain = min(judge.Walk.MinTrain, train)
	}
	if err := registry.DecodeInto(&judge.Walk, registry.FromStrings(given)); err != nil {
		return judge, badInput(err)
	}
	if !j.ownHorizon {
		judge.Policy.Horizon = max(judge.Policy.Horizon, registry.Duration(judge.Policy.M+judge.Policy.Recover)*judge.Walk.Step)
	}
	if err := judge.Walk.Fits(judge.Policy); err != nil {
		return judge, badInputf("--policy: %w", err)
	}
	return judge, nil
}

// stretched tells of a default horizon that was lengthened for the step, "" when it was not.
func (d *detectCommand) stretched(j detect.Judge) string {
	if j.Policy.Horizon == d.judge.Policy.Horizon {
		return ""
	}
	return d.text("note.horizon", "horizon", j.Policy.Horizon.String(), "step", j.Walk.Step.String())
}

// pairs reads key=value flags.
func pairs(flag string, given []string) (map[string]string, error) {
	m := map[string]string{}
	for _, g := range given {
		k, v, ok := strings.Cut(g, "=")
		if !ok || k == "" {
			return nil, badInputf("%s: got %q, want KEY=VALUE", flag, g)
		}
		if _, twice := m[k]; twice {
			return nil, badInputf("%s: %q is given twice, want it once", flag, k)
		}
		m[k] = v
	}
	return m, nil
}

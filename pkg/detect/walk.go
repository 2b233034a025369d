package detect

import (
	"fmt"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// Walk says which fit judges which sample. All of it belongs to the query: nothing comes from a panel.
type Walk struct {
	Step     registry.Duration `json:"step" yaml:"step" min:"1" max:"86400" help:"Distance of the samples that are judged. It does not change with the zoom."`
	Train    registry.Duration `json:"train" yaml:"train" min:"600" max:"31536000" help:"How much history each fit learns from."`
	Refit    registry.Duration `json:"refit" yaml:"refit" min:"60" max:"2678400" help:"How often the detector is fitted anew."`
	MinTrain registry.Duration `json:"min_train" yaml:"min_train" min:"60" max:"31536000" help:"A series with less history than this is in warm-up."`
	Zone     string            `json:"zone" yaml:"zone" help:"Time zone in which days begin, like Asia/Shanghai."`
}

// DefaultWalk returns one sample a minute, seven days of training, a fit a day, two days of warm-up, UTC.
func DefaultWalk() Walk {
	return Walk{Step: registry.Duration(time.Minute), Train: 7 * registry.Day, Refit: registry.Day, MinTrain: 2 * registry.Day, Zone: "UTC"}
}

// fineAnchors is how many times more often a young series is fitted: its history grows fast compared to what it has.
const fineAnchors = 24

// Validate reports settings that contradict each other.
func (w Walk) Validate() error {
	switch {
	case w.Refit%w.Step != 0:
		return fmt.Errorf("parameter \"refit\": got %s, want a multiple of the step, which is %s", w.Refit, w.Step)
	case w.Train%w.Step != 0:
		return fmt.Errorf("parameter \"train\": got %s, want a multiple of the step, which is %s", w.Train, w.Step)
	case w.MinTrain > w.Train:
		return fmt.Errorf("parameter \"min_train\": got %s, want at most the training window, which is %s", w.MinTrain, w.Train)
	}
	_, err := w.Location()
	return err
}

// Location returns the time zone.
func (w Walk) Location() (*time.Location, error) {
	if w.Zone == "" || w.Zone == "UTC" {
		return time.UTC, nil
	}
	if w.Zone == "Local" {
		return nil, fmt.Errorf("parameter \"zone\": got \"Local\", want the name of a time zone like Europe/Berlin or Asia/Shanghai: a verdict must not depend on the machine")
	}
	loc, err := time.LoadLocation(w.Zone)
	if err != nil {
		return nil, fmt.Errorf("parameter \"zone\": got %q, want a time zone like UTC, Europe/Berlin or Asia/Shanghai", w.Zone)
	}
	return loc, nil
}

// Fetch returns the samples needed to judge [from, to] of a series with any labels.
func (w Walk) Fetch(from, to int64, p Policy) series.Grid {
	step := w.Step.Milliseconds()
	return series.GridOver(w.judged(from, p)-w.Refit.Milliseconds()-max(w.Train, p.Horizon).Milliseconds(), to, step)
}

// judged returns the first time that has to be scored to judge from: the policy looks back over its horizon, and a renewal exactly there
// needs the quiet or missing samples before it.
func (w Walk) judged(from int64, p Policy) int64 {
	step := w.Step.Milliseconds()
	return series.Floor(from-p.Horizon.Milliseconds(), step) - int64(p.outage(step))*step
}

// Fits reports a policy that can never alarm in the walk: its horizon ends before an episode can be confirmed and recovered from, or it waits for the absence of a series for
// longer than the series is known.
func (w Walk) Fits(p Policy) error {
	if least := registry.Duration(p.M+p.Recover) * w.Step; p.Horizon < least {
		return fmt.Errorf("parameter \"horizon\": got %s, want at least (m + recover_samples) × step, which is %s", p.Horizon, least)
	}
	if most := w.Train - p.Horizon; p.Absent > 0 && p.Absent > most {
		return fmt.Errorf("parameter \"absent\": got %s, want at most train − horizon, which is %s: a series that is missing for longer is forgotten", p.Absent, most)
	}
	return nil
}

// phase is the offset of a series' anchors, so that not every series is fitted at midnight.
func (w Walk) phase(ls series.Labels) int64 {
	step := w.Step.Milliseconds()
	return int64(ls.Hash()%uint64(w.Refit.Milliseconds()/step)) * step
}

// anchor returns the anchor that judges time t: the largest φ + k·every that is not above t.
func anchor(t, phase, every int64) int64 { return series.Floor(t-phase, every) + phase }

// fine returns the distance of anchors while a series is young: refit/24 in whole steps, counted from the ordinary anchor.
func (w Walk) fine() int64 {
	step := w.Step.Milliseconds()
	return max(step, series.Floor(w.Refit.Milliseconds()/fineAnchors, step))
}

package policy

import (
	"errors"
	"fmt"
	"time"
)

// Noise says how many messages are made of many alerts. Nothing of it loses an
// alert: what is merged, held or muted is stored with its reason and can be
// looked up and split again.
type Noise struct {
	// Hold is how long a message waits for what belongs to it, by grade. What is
	// over before is not told at all. P0 never waits.
	Hold Hold `json:"hold" yaml:"hold"`
	// Digest is when people are told that a case grew, since the last message
	// about it; twice as long after each, at most eight times.
	Digest    Duration      `json:"digest" yaml:"digest"`
	Flap      Flap          `json:"flap" yaml:"flap"`
	Similar   Similar       `json:"similar" yaml:"similar"`
	Correlate Correlate     `json:"correlate" yaml:"correlate"`
	Storm     Storm         `json:"storm" yaml:"storm"`
	Regrade   []RegradeRule `json:"regrade,omitempty" yaml:"regrade"`
	// Review is how often an open case is looked at while a rule of Regrade that
	// depends on time or on queries may apply to it.
	Review Duration `json:"review" yaml:"review"`
}

// Hold is a wait by grade.
type Hold struct {
	P1 Duration `json:"p1" yaml:"p1"`
	P2 Duration `json:"p2" yaml:"p2"`
	P3 Duration `json:"p3" yaml:"p3"`
	// Resolved is how long the end of a case of P1 to P3 waits to be told: what
	// begins again before was never over for people.
	Resolved Duration `json:"resolved" yaml:"resolved"`
}

// Over is the wait of the end of a case of a grade; P0 has none.
func (h Hold) Over(g Grade) time.Duration {
	if g == P0 {
		return 0
	}
	return time.Duration(h.Resolved)
}

// For is the wait of a grade; P0 has none.
func (h Hold) For(g Grade) time.Duration {
	switch g {
	case P1:
		return time.Duration(h.P1)
	case P2:
		return time.Duration(h.P2)
	case P3:
		return time.Duration(h.P3)
	}
	return 0
}

// Flap is when an alert flaps: Nagios' rule, on samples of its state.
type Flap struct {
	Enabled bool `json:"enabled" yaml:"enabled"`
	// Step is the distance of the samples; 21 are looked at.
	Step  Duration `json:"step" yaml:"step"`
	Start float64  `json:"start" yaml:"start"` // percent of weighted changes from which on it flaps
	Stop  float64  `json:"stop" yaml:"stop"`   // and below which it has settled
}

// Similar is when two alerts say the same.
type Similar struct {
	Enabled bool     `json:"enabled" yaml:"enabled"`
	Window  Duration `json:"window" yaml:"window"` // between their starts
	Bits    int64    `json:"bits" yaml:"bits"`     // SimHash values differ in at most so many of 64 bits
	// Likeness is the share of words, by edit distance, that must be the same.
	Likeness float64 `json:"likeness" yaml:"likeness"`
}

// Correlate is when two alerts have one cause.
type Correlate struct {
	Enabled bool     `json:"enabled" yaml:"enabled"`
	Window  Duration `json:"window" yaml:"window"` // between their starts
	// HostLabels name the machine, ServiceLabels the service, DeployLabels a
	// rollout; the first that is present counts.
	HostLabels    []string `json:"host_labels" yaml:"host_labels"`
	ServiceLabels []string `json:"service_labels" yaml:"service_labels"`
	DeployLabels  []string `json:"deploy_labels" yaml:"deploy_labels"`
	// Hops is how far apart in the service graph two services may be.
	Hops int64 `json:"hops" yaml:"hops"`
}

// Storm is when there are too many new alerts for a message each.
type Storm struct {
	Enabled bool     `json:"enabled" yaml:"enabled"`
	Window  Duration `json:"window" yaml:"window"`
	// Rate is how many new alerts of one source within Window are no storm yet,
	// Total how many of all sources together.
	Rate  int64 `json:"rate" yaml:"rate"`
	Total int64 `json:"total" yaml:"total"`
	// Labels name the source of an alert; the first that is present counts.
	Labels []string `json:"labels" yaml:"labels"`
}

// DefaultNoise are the defaults, each with its reason.
func DefaultNoise() Noise {
	return Noise{
		// Half a minute is Alertmanager's own group_wait, five minutes its group_interval; nobody gets up for P2 or P3, nor because something is over.
		Hold:   Hold{P1: seconds(30), P2: seconds(60), P3: seconds(120), Resolved: seconds(300)},
		Digest: seconds(300),
		// Nagios' numbers for services; a sample a minute sees what people would call flapping.
		Flap:    Flap{Enabled: true, Step: seconds(60), Start: 20, Stop: 5},
		Similar: Similar{Enabled: true, Window: seconds(300), Bits: 3, Likeness: 0.8},
		Correlate: Correlate{
			Enabled: true, Window: seconds(300), Hops: 1,
			HostLabels:    []string{"host", "hostname", "node", "instance"},
			ServiceLabels: []string{"service", "service_name", "app"},
			DeployLabels:  []string{"deploy", "deployment_id", "release_id"},
		},
		Storm:  Storm{Enabled: true, Window: seconds(60), Rate: 10, Total: 30, Labels: []string{"service", "job", "namespace"}},
		Review: seconds(60),
	}
}

func seconds(n int) Duration { return Duration(time.Duration(n) * time.Second) }

// Validate checks the section; see Rules.Validate for the form of errors.
func (n Noise) Validate() error {
	for _, d := range []struct {
		name string
		v    Duration
		low  Duration
		high Duration
	}{
		{"hold.p1", n.Hold.P1, 0, seconds(3600)},
		{"hold.p2", n.Hold.P2, 0, seconds(3600)},
		{"hold.p3", n.Hold.P3, 0, seconds(86400)},
		{"hold.resolved", n.Hold.Resolved, 0, seconds(86400)},
		{"digest", n.Digest, seconds(10), seconds(86400)},
		{"flap.step", n.Flap.Step, seconds(1), seconds(3600)},
		{"similar.window", n.Similar.Window, seconds(1), seconds(86400)},
		{"correlate.window", n.Correlate.Window, seconds(1), seconds(86400)},
		{"storm.window", n.Storm.Window, seconds(10), seconds(3600)},
		{"review", n.Review, seconds(1), seconds(86400)},
	} {
		if d.v < d.low || d.v > d.high {
			return fmt.Errorf("noise.%s: %q: want %s to %s", d.name, d.v, d.low, d.high)
		}
	}
	switch {
	case !(n.Flap.Stop >= 0 && n.Flap.Stop < n.Flap.Start && n.Flap.Start <= 100):
		return fmt.Errorf("noise.flap: start %v and stop %v: want 0 ≤ stop < start ≤ 100", n.Flap.Start, n.Flap.Stop)
	case n.Similar.Bits < 0 || n.Similar.Bits > 3:
		return fmt.Errorf("noise.similar.bits: %d: want 0 to 3", n.Similar.Bits)
	case !(n.Similar.Likeness > 0 && n.Similar.Likeness <= 1):
		return fmt.Errorf("noise.similar.likeness: %v: want above 0, at most 1", n.Similar.Likeness)
	case n.Correlate.Hops < 0 || n.Correlate.Hops > 3:
		return fmt.Errorf("noise.correlate.hops: %d: want 0 to 3", n.Correlate.Hops)
	case n.Storm.Rate < 1 || n.Storm.Total < n.Storm.Rate:
		return fmt.Errorf("noise.storm: rate %d and total %d: want 1 ≤ rate ≤ total", n.Storm.Rate, n.Storm.Total)
	case n.Storm.Enabled && len(n.Storm.Labels) == 0:
		return errors.New("noise.storm.labels: is empty: want at least one label")
	}
	for i, r := range n.Regrade {
		if err := r.Validate(); err != nil {
			return fmt.Errorf("noise.regrade[%d].%w", i, err)
		}
	}
	return nil
}

package stage

import (
	"context"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// MuteReader reads the mutes by command that have not ended.
type MuteReader interface {
	Mutes(ctx context.Context, after time.Time) ([]cases.MuteOrder, error)
}

// Mute finds what holds back messages: maintenance windows, calendars, switches
// by command, and the silences of Alertmanager. P0 is held back as well: each of
// them has an owner and an end.
type Mute struct {
	Rules func() policy.Rules
	Store MuteReader
	// Silences are the active silences of a cluster's Alertmanagers, as mutes; nil:
	// none are known.
	Silences func(cluster string) policy.Mutes
}

// Prefixes of the names of mutes that are not of the configuration.
const (
	commandPrefix = "command "
	silencePrefix = "silence "
)

// Name is "mute".
func (Mute) Name() string { return "mute" }

// Exec fills Mutes, and the Mute of every alert that began to fire.
func (m Mute) Exec(ctx context.Context, ev Event) (Event, error) {
	if !ev.accepted() {
		return ev, nil
	}
	var err error
	if ev.Mutes, err = m.All(ctx, ev.Delivery.Cluster, ev.Now); err != nil || len(ev.Mutes) == 0 {
		return ev, err
	}
	for i := range ev.Verdicts {
		v := &ev.Verdicts[i]
		if !v.News() {
			continue
		}
		if found, ok := ev.Mutes.Whole(ev.Now, v.Grade, v.Alert.Labels); ok {
			v.Mute = &found
			if v.Noise == "" {
				v.Noise, v.Why = Muted, muteReason(found)
			}
		}
	}
	return ev, nil
}

func (ev Event) accepted() bool {
	for i := range ev.Verdicts {
		if ev.Verdicts[i].accepted() {
			return true
		}
	}
	return false
}

// All lists every mute that has not ended: of the configuration, by command, and
// the silences of a cluster.
func (m Mute) All(ctx context.Context, cluster string, now time.Time) (policy.Mutes, error) {
	var all policy.Mutes
	for _, one := range m.Rules().Mutes {
		if now.Before(one.Ends) {
			all = append(all, one)
		}
	}
	if m.Store != nil {
		orders, err := m.Store.Mutes(ctx, now)
		if err != nil {
			return nil, err
		}
		for _, o := range orders {
			o.Name = commandPrefix + o.Name
			all = append(all, o.Mute)
		}
	}
	if m.Silences != nil {
		all = append(all, m.Silences(cluster)...)
	}
	return all, nil
}

func muteReason(m policy.Mute) Reason {
	switch {
	case len(m.Name) > len(commandPrefix) && m.Name[:len(commandPrefix)] == commandPrefix:
		return ReasonCommand
	case len(m.Name) > len(silencePrefix) && m.Name[:len(silencePrefix)] == silencePrefix:
		return ReasonSilence
	}
	return ReasonWindow
}

func (v *Verdict) accepted() bool { return v.Decision == Accepted }

// SilenceName is the name of the mute that a silence of Alertmanager is.
func SilenceName(id string) string { return silencePrefix + id }

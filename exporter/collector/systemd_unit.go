package collector

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// unit publishes one unit. A property that this version of systemd does not have, or a unit that has gone meanwhile, is left out.
func (c *systemd) unit(ctx context.Context, conn *dbus.Conn, ch chan<- prometheus.Metric, u *systemdStatus) error {
	k, err := c.remember(ctx, conn, u)
	if err != nil {
		return err
	}
	for i, state := range systemdStates {
		v := 0.0
		if state == u.Active {
			v = 1
		}
		k.series[i].send(ch, v)
	}
	send := func(f *Family, kind, name string, divisor float64) error {
		v, err := c.property(ctx, conn, u.Path, kind, name)
		if n, ok := numberOf(v); err == nil && ok {
			f.send(ch, n/divisor, u.Name)
		}
		return serious(err)
	}
	var errs []error
	switch kind := u.Name[strings.LastIndexByte(u.Name, '.')+1:]; kind {
	case "service":
		if c.EnableRestartsMetrics {
			errs = append(errs, send(systemdRestarts, "Service", "NRestarts", 1))
		}
		if c.EnableTaskMetrics {
			errs = append(errs, send(systemdTasks, "Service", "TasksCurrent", 1), send(systemdTasksMax, "Service", "TasksMax", 1))
		}
	case "timer":
		errs = append(errs, send(systemdTimer, "Timer", "LastTriggerUSec", 1e6))
	case "socket":
		errs = append(errs, send(systemdAccepted, "Socket", "NAccepted", 1), send(systemdCurrent, "Socket", "NConnections", 1),
			send(systemdRefused, "Socket", "NRefused", 1))
	}
	if c.EnableStartTimeMetrics {
		if u.Active != "active" {
			systemdStart.send(ch, 0, u.Name)
		} else {
			errs = append(errs, send(systemdStart, "Unit", "ActiveEnterTimestamp", 1e6))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("asking for properties of %s: %w", u.Name, err)
	}
	return nil
}

// remember returns what is kept of a unit, and asks for the type of a service or mount when its state has changed or the answer is old.
func (c *systemd) remember(ctx context.Context, conn *dbus.Conn, u *systemdStatus) (*systemdUnit, error) {
	k, now, state := c.known[u.Name], c.now(), u.Load+" "+u.Active+" "+u.Sub
	if k != nil && k.state == state && now.Sub(k.asked) >= 0 && now.Sub(k.asked) < systemdTypeAge {
		k.round = true
		return k, nil
	}
	kind := ""
	for suffix, of := range map[string]string{".service": "Service", ".mount": "Mount"} {
		if !strings.HasSuffix(u.Name, suffix) {
			continue
		}
		v, err := c.property(ctx, conn, u.Path, of, "Type")
		if err := serious(err); err != nil {
			return nil, fmt.Errorf("asking for the type of %s: %w", u.Name, err)
		}
		kind, _ = v.(string)
	}
	if k == nil || k.kind != kind {
		k = &systemdUnit{kind: kind}
		for i, s := range systemdStates {
			k.series[i] = systemdUnitState.with(u.Name, s, kind)
		}
		c.known[u.Name] = k
	}
	k.state, k.asked, k.round = state, now, true
	return k, nil
}

// serious keeps the errors that are not an answer of systemd: those of the connection, and the end of the time.
func serious(err error) error {
	var answer dbus.Error
	if errors.As(err, &answer) {
		return nil
	}
	return err
}

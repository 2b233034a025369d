package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "systemd", Summary: "state of each systemd unit: what failed, timers, sockets",
		Source: "D-Bus, org.freedesktop.systemd1(5)",
		New: func() Collector {
			return &systemd{UnitInclude: ".+", UnitExclude: `.+\.(automount|device|mount|scope|slice)`}
		},
	})
}

var (
	systemdUnitState = gauge("node_systemd_unit_state", "Systemd unit", "name", "state", "type")
	systemdStart     = gauge("node_systemd_unit_start_time_seconds", "Start time of the unit since unix epoch in seconds.", "name")
	systemdTasks     = gauge("node_systemd_unit_tasks_current", "Current number of tasks per Systemd unit", "name")
	systemdTasksMax  = gauge("node_systemd_unit_tasks_max", "Maximum number of tasks per Systemd unit", "name")
	systemdRunning   = gauge("node_systemd_system_running", "Whether the system is operational (see 'systemctl is-system-running')")
	systemdUnits     = gauge("node_systemd_units", "Summary of systemd unit states", "state")
	systemdRestarts  = counter("node_systemd_service_restart_total", "Service unit count of Restart triggers", "name")
	systemdTimer     = gauge("node_systemd_timer_last_trigger_seconds", "Seconds since epoch of last trigger.", "name")
	systemdAccepted  = counter("node_systemd_socket_accepted_connections_total", "Total number of accepted socket connections", "name")
	systemdCurrent   = gauge("node_systemd_socket_current_connections", "Current number of socket connections", "name")
	systemdRefused   = gauge("node_systemd_socket_refused_connections_total", "Total number of refused socket connections", "name")
	systemdVersion   = gauge("node_systemd_version", "Detected systemd version", "version")
	systemdVirtual   = gauge("node_systemd_virtualization_info", "Detected virtualization technology", "virtualization_type")
)

var systemdStates = [...]string{"active", "activating", "deactivating", "inactive", "failed"}

const (
	systemdBus     = "org.freedesktop.systemd1"
	systemdManager = dbus.ObjectPath("/org/freedesktop/systemd1")
	// systemdTypeAge is how long the type of a service is believed while its state stays the same: it changes with an edit of the unit only.
	systemdTypeAge = 10 * time.Minute
	// systemdGreeting bounds the start of the connection.
	systemdGreeting = 3 * time.Second
)

type systemd struct {
	UnitInclude            string `json:"unit_include" help:"Regexp of units to publish; a unit must match it whole, and not unit-exclude."`
	UnitExclude            string `json:"unit_exclude" help:"Regexp of units to leave out; it must match the whole name."`
	EnableTaskMetrics      bool   `json:"enable_task_metrics" help:"Publish the tasks of each service and their limit."`
	EnableRestartsMetrics  bool   `json:"enable_restarts_metrics" help:"Publish how often each service was restarted."`
	EnableStartTimeMetrics bool   `json:"enable_start_time_metrics" help:"Publish when each unit was started."`

	address          string
	now              func() time.Time
	include, exclude *regexp.Regexp
	known            map[string]*systemdUnit

	mu   sync.Mutex
	conn *dbus.Conn
}

// systemdStatus is one line of ListUnits, in the order of the D-Bus signature (ssssssouso).
type systemdStatus struct {
	Name, Description, Load, Active, Sub, Followed string
	Path                                           dbus.ObjectPath
	JobID                                          uint32
	JobType                                        string
	JobPath                                        dbus.ObjectPath
}

// systemdUnit is what is kept of a unit.
type systemdUnit struct {
	kind   string // the type of a service or a mount
	state  string // load, active and sub state as they were when the type was asked
	asked  time.Time
	series [len(systemdStates)]series
	round  bool
}

func (c *systemd) Validate() error {
	_, _, err := c.patterns()
	return err
}

func (c *systemd) patterns() (include, exclude *regexp.Regexp, err error) {
	if include, err = compile("unit-include", "^(?:"+c.UnitInclude+")$"); err != nil {
		return nil, nil, err
	}
	exclude, err = compile("unit-exclude", "^(?:"+c.UnitExclude+")$")
	return include, exclude, err
}

func (c *systemd) Open(h *Host) (err error) {
	c.address, c.now, c.known = h.root("run/dbus/system_bus_socket"), h.Now, map[string]*systemdUnit{}
	c.include, c.exclude, err = c.patterns()
	return err
}

func (c *systemd) Families() []*Family {
	return []*Family{
		systemdUnitState, systemdStart, systemdTasks, systemdTasksMax, systemdRunning, systemdUnits, systemdRestarts, systemdTimer,
		systemdAccepted, systemdCurrent, systemdRefused, systemdVersion, systemdVirtual,
	}
}

// Close ends the connection, which is kept from scrape to scrape.
func (c *systemd) Close() error {
	c.drop()
	return nil
}

func (c *systemd) Update(ctx context.Context, ch chan<- prometheus.Metric) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	if err := c.collect(ctx, conn, ch); err != nil {
		var answer dbus.Error
		if !errors.As(err, &answer) { // not an answer: the connection is of no use any more
			c.drop()
		} else if strings.HasSuffix(answer.Name, ".ServiceUnknown") || strings.HasSuffix(answer.Name, ".NameHasNoOwner") {
			return fmt.Errorf("%w: there is a D-Bus and no systemd on it", ErrNoData)
		}
		return err
	}
	return nil
}

// dial returns the connection to the system bus and makes it when there is none.
func (c *systemd) dial() (*dbus.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && c.conn.Connected() {
		return c.conn, nil
	}
	conn, err := dbus.Dial("unix:path=" + dbus.EscapeBusAddressValue(c.address))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("%w: no D-Bus at %s", ErrNoData, c.address)
		}
		return nil, fmt.Errorf("connecting to D-Bus: %w", err)
	}
	limit := time.AfterFunc(systemdGreeting, func() { _ = conn.Close() }) // a bus that hangs: closing ends the wait
	if err = conn.Auth(nil); err == nil {
		err = conn.Hello()
	}
	limit.Stop()
	if err != nil {
		_ = conn.Close() // the other error is the one to tell
		return nil, fmt.Errorf("greeting D-Bus: %w", err)
	}
	c.conn = conn
	return conn, nil
}

func (c *systemd) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close() // it may be broken already
		c.conn = nil
	}
}

func (c *systemd) collect(ctx context.Context, conn *dbus.Conn, ch chan<- prometheus.Metric) error {
	var units []systemdStatus
	if err := conn.Object(systemdBus, systemdManager).CallWithContext(ctx, systemdBus+".Manager.ListUnits", 0).Store(&units); err != nil {
		return fmt.Errorf("listing systemd units: %w", err)
	}
	if err := c.manager(ctx, conn, ch); err != nil {
		return err
	}
	sums := map[string]int{}
	for _, s := range systemdStates {
		sums[s] = 0
	}
	for _, u := range c.known {
		u.round = false
	}
	for i := range units {
		u := &units[i]
		sums[u.Active]++
		if u.Load != "loaded" || !c.include.MatchString(u.Name) || c.exclude.MatchString(u.Name) {
			continue
		}
		if err := c.unit(ctx, conn, ch, u); err != nil {
			return err
		}
	}
	for name, u := range c.known {
		if !u.round {
			delete(c.known, name)
		}
	}
	for state, n := range sums {
		systemdUnits.send(ch, float64(n), state)
	}
	return nil
}

// manager publishes what systemd tells of itself.
func (c *systemd) manager(ctx context.Context, conn *dbus.Conn, ch chan<- prometheus.Metric) error {
	ask := func(property string) (string, error) {
		v, err := c.property(ctx, conn, systemdManager, "Manager", property)
		s, _ := v.(string)
		return s, err
	}
	version, err := ask("Version")
	if err != nil {
		return fmt.Errorf("asking for the version of systemd: %w", err)
	}
	digits := strings.IndexFunc(version, func(r rune) bool { return r >= '0' && r <= '9' })
	if digits < 0 {
		digits = len(version)
	}
	systemdVersion.send(ch, majorMinor(version[digits:]), version)
	virtual, err := ask("Virtualization")
	switch {
	case err != nil:
		virtual = "unknown"
	case virtual == "":
		virtual = "none"
	}
	systemdVirtual.send(ch, 1, virtual)
	state, err := ask("SystemState") // from systemd 212 on
	if err == nil {
		v := 0.0
		if state == "running" {
			v = 1
		}
		systemdRunning.with().send(ch, v)
	}
	return ctx.Err()
}

// property asks for one property. An error is of the connection or an answer of systemd.
func (c *systemd) property(ctx context.Context, conn *dbus.Conn, path dbus.ObjectPath, kind, name string) (any, error) {
	var v dbus.Variant
	err := conn.Object(systemdBus, path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, systemdBus+"."+kind, name).Store(&v)
	return v.Value(), err
}

// numberOf turns a property into a float; systemd says "unlimited" and "not known" by the largest number.
func numberOf(v any) (float64, bool) {
	switch n := v.(type) {
	case uint32:
		return float64(n), true
	case uint64:
		return float64(n), n != 1<<64-1
	}
	return 0, false
}

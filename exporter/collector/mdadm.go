package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "mdadm", Summary: "software RAID: state of each array, its disks, how far it is synchronized",
		Source: "/proc/mdstat, md(4); /sys/block/md*/md", New: func() Collector { return &mdadm{} },
	})
}

var (
	mdState    = gauge("node_md_state", "Indicates the state of md-device.", "device", "state")
	mdDisks    = gauge("node_md_disks", "Number of active/failed/spare disks of device.", "device", "state")
	mdRequired = gauge("node_md_disks_required", "Total number of disks of device.", "device")
	mdBlocks   = gauge("node_md_blocks", "Total number of blocks on device.", "device")
	mdSynced   = gauge("node_md_blocks_synced", "Number of blocks synced on device.", "device")
	mdRaid     = gauge("node_md_raid_disks", "Number of raid disks on device.", "device")
	mdDegraded = gauge("node_md_degraded", "Number of degraded disks on device.", "device")
)

// mdStates are the values of the label state.
var mdStates = []string{"active", "inactive", "recovering", "resync", "check"}

type mdadm struct {
	path, dir string
	file      file
}

func (c *mdadm) Open(h *Host) error { c.path, c.dir = h.proc("mdstat"), h.sys("block"); return nil }

func (c *mdadm) Families() []*Family {
	return []*Family{mdState, mdDisks, mdRequired, mdBlocks, mdSynced, mdRaid, mdDegraded}
}

func (c *mdadm) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading software RAID: %w", absent(err))
	}
	arrays, err := parseMdstat(b)
	if err != nil {
		return err
	}
	for _, a := range arrays {
		for _, state := range mdStates {
			v := 0.0
			if a.state == state {
				v = 1
			}
			mdState.send(ch, v, a.name, state)
		}
		mdDisks.send(ch, float64(a.active), a.name, "active")
		mdDisks.send(ch, float64(a.failed), a.name, "failed")
		mdDisks.send(ch, float64(a.spare), a.name, "spare")
		mdRequired.send(ch, float64(a.required), a.name)
		mdBlocks.send(ch, float64(a.blocks), a.name)
		mdSynced.send(ch, float64(a.synced), a.name)
	}
	return c.sysfs(ch)
}

// sysfs publishes what /proc/mdstat does not tell in numbers.
func (c *mdadm) sysfs(ch chan<- prometheus.Metric) error {
	names, err := list(c.dir, "md")
	if err != nil && !errors.Is(err, ErrNoData) && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("listing software RAID: %w", err)
	}
	for _, name := range names {
		dir := c.dir + "/" + name + "/md"
		level := c.file.text(dir + "/level")
		if level == "" {
			continue
		}
		// While it is reshaped raid_disks is "now (before)"; a container of arrays has none.
		if field, _ := cutField([]byte(c.file.text(dir + "/raid_disks"))); level != "container" {
			if v, err := parseUint(field); err == nil {
				mdRaid.send(ch, float64(v), name)
			}
		}
		degraded, err := c.file.number(dir + "/degraded")
		if err != nil {
			degraded = 0 // raid0 and linear have no such file: they cannot be degraded
		}
		mdDegraded.send(ch, degraded, name)
	}
	return nil
}

// mdArray is one array of /proc/mdstat; sizes in blocks of 1 KiB.
type mdArray struct {
	name, state                                     string
	required, active, failed, spare, blocks, synced uint64
}

// parseMdstat reads /proc/mdstat. An array is a line that begins at the margin, "md0 : active raid1 sdb1[1] sda1[0]", and indented lines: the size with
// "[required/active]", a bitmap, and the progress of what is going on.
func parseMdstat(b []byte) ([]mdArray, error) {
	var out []mdArray
	var a *mdArray
	first := false // the next line is the one with the size
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		key, rest := cutField(line)
		switch {
		case len(key) == 0:
			a = nil
		case line[0] != ' ' && line[0] != '\t':
			a = nil
			if colon, words := cutField(rest); string(colon) == ":" && string(key) != "Personalities" {
				out = append(out, mdHeading(string(key), words))
				a, first = &out[len(out)-1], true
			}
		case a != nil && first:
			first = false
			if err := a.size(line); err != nil {
				return nil, fmt.Errorf("software RAID: %s: line %q: %w", a.name, shorten(trimSpace(line)), err)
			}
		case a != nil:
			if err := a.progress(string(line)); err != nil {
				return nil, fmt.Errorf("software RAID: %s: line %q: %w", a.name, shorten(trimSpace(line)), err)
			}
		}
	}
	return out, nil
}

// mdHeading reads the words after "md0 :". Disks of an array without redundancy are counted here: the size does not say how many there should be.
func mdHeading(name string, words []byte) mdArray {
	text := string(words)
	state, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	a := mdArray{name: name, state: state, failed: uint64(strings.Count(text, "(F)")), spare: uint64(strings.Count(text, "(S)"))}
	if strings.Contains(text, " raid0") || strings.Contains(text, " linear") {
		a.required = uint64(strings.Count(text, "["))
		a.active = a.required
	}
	return a
}

func (a *mdArray) size(line []byte) (err error) {
	field, rest := cutField(line)
	if a.blocks, err = parseUint(field); err != nil {
		return fmt.Errorf("size %q: %w", shorten(field), err)
	}
	a.synced = a.blocks
	for field, rest = cutField(rest); len(field) > 0; field, rest = cutField(rest) {
		inner, ok1 := bytes.CutPrefix(field, []byte("["))
		inner, ok2 := bytes.CutSuffix(inner, []byte("]"))
		required, active, ok3 := bytes.Cut(inner, []byte("/"))
		if !ok1 || !ok2 || !ok3 {
			continue
		}
		if a.required, err = parseUint(required); err != nil {
			return err
		}
		if a.active, err = parseUint(active); err != nil {
			return err
		}
	}
	return nil
}

// progress reads a line of what is going on, "[=>...]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec" or "resync=DELAYED".
func (a *mdArray) progress(line string) error {
	switch {
	case strings.Contains(line, "bitmap:"):
		return nil
	case strings.Contains(line, "recovery"):
		a.state = "recovering"
	case strings.Contains(line, "reshape"):
		a.state = "reshape" // as at node_exporter none of the five states is 1 then
	case strings.Contains(line, "resync"):
		a.state = "resync"
	case strings.Contains(line, "check"):
		a.state = "check"
	default:
		return nil
	}
	if strings.Contains(line, "DELAYED") || strings.Contains(line, "PENDING") {
		a.synced = 0
		return nil
	}
	_, inner, _ := strings.Cut(line, "(")
	done, _, ok := strings.Cut(inner, "/")
	v, err := parseUint([]byte(done))
	if err != nil || !ok {
		return fmt.Errorf("want (done/all) in blocks: %w", errNotNumber)
	}
	a.synced = v
	return nil
}

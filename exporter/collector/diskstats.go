package collector

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "diskstats", Summary: "reads, writes, discards, flushes and busy time of each disk; model and serial number",
		Source: "/proc/diskstats, Documentation/admin-guide/iostats.rst; udev data base",
		New:    func() Collector { return &diskstats{DeviceExclude: diskExclude} },
	})
}

// diskExclude is node_exporter's default: RAM disks, loop devices, floppies and partitions.
const diskExclude = `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`

// diskColumn is one column of /proc/diskstats, after the device name.
type diskColumn struct {
	f     *Family
	scale float64
}

const (
	// sector is the unit of the kernel's sector counts, whatever the device's own block size is.
	sector = 512.0
	// diskTick is the unit of the kernel's times of disks: a millisecond.
	diskTick = 1.0 / 1000
)

func diskCounter(name, help string) *Family { return counter("node_disk_"+name, help, "device") }

// diskColumns are in the order of the kernel. Columns 12 to 15 came with Linux 4.18, the last two with 5.5.
var diskColumns = [...]diskColumn{
	{diskCounter("reads_completed_total", "The total number of reads completed successfully."), 1},
	{diskCounter("reads_merged_total", "The total number of reads merged."), 1},
	{diskCounter("read_bytes_total", "The total number of bytes read successfully."), sector},
	{diskCounter("read_time_seconds_total", "The total number of seconds spent by all reads."), diskTick},
	{diskCounter("writes_completed_total", "The total number of writes completed successfully."), 1},
	{diskCounter("writes_merged_total", "The number of writes merged."), 1},
	{diskCounter("written_bytes_total", "The total number of bytes written successfully."), sector},
	{diskCounter("write_time_seconds_total", "This is the total number of seconds spent by all writes."), diskTick},
	{gauge("node_disk_io_now", "The number of I/Os currently in progress.", "device"), 1},
	{diskCounter("io_time_seconds_total", "Total seconds spent doing I/Os."), diskTick},
	{diskCounter("io_time_weighted_seconds_total", "The weighted # of seconds spent doing I/Os."), diskTick},
	{diskCounter("discards_completed_total", "The total number of discards completed successfully."), 1},
	{diskCounter("discards_merged_total", "The total number of discards merged."), 1},
	{diskCounter("discarded_sectors_total", "The total number of sectors discarded successfully."), 1},
	{diskCounter("discard_time_seconds_total", "This is the total number of seconds spent by all discards."), diskTick},
	{diskCounter("flush_requests_total", "The total number of flush requests completed successfully"), 1},
	{diskCounter("flush_requests_time_seconds_total", "This is the total number of seconds spent by all flush requests."), diskTick},
}

type diskstats struct {
	DeviceExclude string `json:"device_exclude" help:"Regexp of devices to leave out; not together with device-include."`
	DeviceInclude string `json:"device_include" help:"Regexp of devices to publish; not together with device-exclude."`

	path, block string
	file, small file
	filter      *filter
	udev        udev
	disks       map[string]*disk
}

// disk is what is kept of one device.
type disk struct {
	series     [len(diskColumns)]series
	rotational string // the path of the file that tells
	info       diskInfo
}

// maxDisks bounds the devices that are kept. A host that makes and drops more starts anew.
const maxDisks = 10_000

func (c *diskstats) Validate() error {
	_, err := newFilter("device", c.DeviceExclude, diskExclude, c.DeviceInclude)
	return err
}

func (c *diskstats) Open(h *Host) (err error) {
	c.path, c.block, c.disks = h.proc("diskstats"), h.sys("block"), map[string]*disk{}
	c.udev.dir = h.Udev
	c.filter, err = newFilter("device", c.DeviceExclude, diskExclude, c.DeviceInclude)
	return err
}

func (c *diskstats) Families() []*Family {
	var out []*Family
	for _, column := range diskColumns {
		out = append(out, column.f)
	}
	return append(out, diskInfoFamilies()...)
}

func (c *diskstats) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading disk statistics: %w", err)
	}
	return eachDisk(b, func(l diskLine) {
		if c.filter.drops(l.name) {
			return
		}
		d := c.disk(string(l.name))
		for i, v := range l.values[:l.n] {
			d.series[i].send(ch, float64(v)*diskColumns[i].scale)
		}
		rotational := "0" // also for what has no queue, as node_exporter does
		if b, err := c.small.readOne(d.rotational); err == nil && string(b) == "1" {
			rotational = "1"
		}
		d.info.send(ch, diskIdentity{name: string(l.name), major: l.major, minor: l.minor, rotational: rotational, udev: c.udev.of(l.major, l.minor)})
	})
}

func (c *diskstats) disk(name string) *disk {
	if d, ok := c.disks[name]; ok {
		return d
	}
	d := &disk{rotational: filepath.Join(c.block, filepath.Base(name), "queue/rotational")}
	for i := range d.series {
		d.series[i] = diskColumns[i].f.with(name)
	}
	if len(c.disks) >= maxDisks {
		clear(c.disks)
	}
	c.disks[name] = d
	return d
}

// diskLine is one line of /proc/diskstats: n of the columns are there.
type diskLine struct {
	major, minor uint64
	name         []byte
	values       [len(diskColumns)]uint64
	n            int
}

// eachDisk calls yield for every line of /proc/diskstats.
func eachDisk(b []byte, yield func(diskLine)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		major, rest := cutField(line)
		if len(major) == 0 {
			continue
		}
		minor, rest := cutField(rest)
		name, rest := cutField(rest)
		l := diskLine{name: name}
		var err1, err2, err3 error
		l.major, err1 = parseUint(major)
		l.minor, err2 = parseUint(minor)
		l.n, err3 = parseUints(rest, l.values[:])
		if err1 != nil || err2 != nil || err3 != nil || len(name) == 0 || l.n < 11 {
			return fmt.Errorf("disk statistics: line %q: want a device and at least 11 whole numbers", shorten(line))
		}
		yield(l)
	}
	return nil
}

// label writes a device number as a label value.
func label(v uint64) string { return strconv.FormatUint(v, 10) }

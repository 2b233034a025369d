package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "filesystem", Summary: "size, free space and file nodes of each mounted file system",
		Source: "/proc/1/mountinfo, statfs(2)",
		New: func() Collector {
			return &filesystem{
				MountPointsExclude: mountPointsExclude, FSTypesExclude: fsTypesExclude,
				MountTimeout: registry.Duration(mountTimeout), StatWorkers: statWorkers,
			}
		},
	})
}

const (
	// mountPointsExclude and fsTypesExclude are node_exporter's defaults: what is no storage, and what containers mount by the hundred.
	mountPointsExclude = `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`
	fsTypesExclude     = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$`
)

func fsGauge(name, help string) *Family {
	return gauge("node_filesystem_"+name, help, "device", "mountpoint", "fstype", "device_error")
}

var (
	fsSize      = fsGauge("size_bytes", "Filesystem size in bytes.")
	fsFree      = fsGauge("free_bytes", "Filesystem free space in bytes.")
	fsAvail     = fsGauge("avail_bytes", "Filesystem space available to non-root users in bytes.")
	fsFiles     = fsGauge("files", "Filesystem total file nodes.")
	fsFilesFree = fsGauge("files_free", "Filesystem total free file nodes.")
	fsReadonly  = fsGauge("readonly", "Filesystem read-only status.")
	fsError     = fsGauge("device_error", "Whether an error occurred while getting statistics for the given device.")
	fsRatio     = gauge("foreshock_host_filesystem_utilization_ratio", "Share of the file system that is in use, 0 to 1, as df tells it: used/(used + available to non-root users).",
		"device", "mountpoint", "fstype")
	fsMountInfo = gauge("node_filesystem_mount_info", "Filesystem mount information.", "device", "major", "minor", "mountpoint")
)

type filesystem struct {
	MountPointsExclude string            `json:"mount_points_exclude" help:"Regexp of mount points to leave out; not together with mount-points-include."`
	MountPointsInclude string            `json:"mount_points_include" help:"Regexp of mount points to publish; not together with mount-points-exclude."`
	FSTypesExclude     string            `json:"fs_types_exclude" help:"Regexp of file system types to leave out; not together with fs-types-include."`
	FSTypesInclude     string            `json:"fs_types_include" help:"Regexp of file system types to publish; not together with fs-types-exclude."`
	MountTimeout       registry.Duration `json:"mount_timeout" help:"How long a mount may take to answer before it counts as stuck; never longer than the scrape allows." min:"0.01" max:"60"`
	StatWorkers        int               `json:"stat_workers" help:"How many mounts may be asked at the same time in one scrape." min:"1" max:"64"`

	host           *Host
	points, types  *filter
	file           file
	statter        *statter
	mounts         map[mountID]*mountState
	round          uint64
	self, initProc string
}

// mountID is what tells the series of mounts apart. Of two mounts with the same, as two tmpfs on one point, only the upper one can be seen.
type mountID struct{ device, point, fsType string }

// mountState keeps the series of a mount.
type mountState struct {
	id     mountID
	major  string
	minor  string
	path   string // what to ask statfs for
	ro     float64
	round  uint64 // the last Update that saw it
	state  string // the device_error label of the series
	values [7]series
	info   series
	ratio  series
}

func (c *filesystem) Validate() error {
	_, _, err := c.filters()
	return err
}

func (c *filesystem) filters() (points, types *filter, err error) {
	if points, err = newFilter("mount-points", c.MountPointsExclude, mountPointsExclude, c.MountPointsInclude); err != nil {
		return nil, nil, err
	}
	types, err = newFilter("fs-types", c.FSTypesExclude, fsTypesExclude, c.FSTypesInclude)
	return points, types, err
}

func (c *filesystem) Open(h *Host) (err error) {
	c.host, c.initProc, c.self = h, h.proc("1/mountinfo"), h.proc("self/mountinfo")
	c.mounts = map[mountID]*mountState{}
	c.statter = newStatter(h.Statfs, c.StatWorkers, h.Log)
	c.points, c.types, err = c.filters()
	return err
}

func (c *filesystem) Families() []*Family {
	return []*Family{fsSize, fsFree, fsAvail, fsFiles, fsFilesFree, fsReadonly, fsError, fsMountInfo, fsRatio}
}

func (c *filesystem) Update(ctx context.Context, ch chan<- prometheus.Metric) error {
	mounts, err := c.list()
	if err != nil {
		return err
	}
	// Two devices may be mounted over each other on one point: it is asked once.
	paths, place := make([]string, 0, len(mounts)), make(map[string]int, len(mounts))
	for _, m := range mounts {
		if _, ok := place[m.path]; !ok {
			place[m.path] = len(paths)
			paths = append(paths, m.path)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.MountTimeout.Std())
	defer cancel()
	answers := c.statter.ask(ctx, paths)
	for _, m := range mounts {
		m.send(ch, answers[place[m.path]])
	}
	return nil
}

// list returns the mounts to publish, each once, in the order of the kernel.
func (c *filesystem) list() ([]*mountState, error) {
	b, err := c.file.read(c.initProc)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		// With hidepid, or in a container, the first process is not to be seen.
		b, err = c.file.read(c.self)
	}
	if err != nil {
		return nil, fmt.Errorf("reading mounts: %w", err)
	}
	c.round++
	var out []*mountState
	err = eachMount(b, func(m mount) {
		if c.types.drops(m.fsType) {
			return
		}
		point := c.host.hostPath(unescape(m.point))
		if c.points.drops([]byte(point)) {
			return
		}
		id := mountID{unescape(m.source), point, string(m.fsType)}
		s := c.mounts[id]
		if s == nil {
			s = &mountState{id: id, path: c.host.root(point)}
			c.mounts[id] = s
		}
		if s.round != c.round {
			s.round = c.round
			out = append(out, s)
		}
		if s.major != string(m.major) || s.minor != string(m.minor) { // the kernel lists the upper mount later
			s.major, s.minor, s.info.f = string(m.major), string(m.minor), nil
		}
		if s.ro = 0; m.readOnly() {
			s.ro = 1
		}
	})
	for id, s := range c.mounts {
		if s.round != c.round {
			delete(c.mounts, id)
		}
	}
	return out, err
}

// send publishes one mount: only the two states when it did not answer.
func (s *mountState) send(ch chan<- prometheus.Metric, a answer) {
	if s.info.f == nil || s.state != a.trouble {
		s.state = a.trouble
		for i, f := range []*Family{fsError, fsReadonly, fsSize, fsFree, fsAvail, fsFiles, fsFilesFree} {
			s.values[i] = f.with(s.id.device, s.id.point, s.id.fsType, a.trouble)
		}
		s.info = fsMountInfo.with(s.id.device, s.major, s.minor, s.id.point)
		s.ratio = fsRatio.with(s.id.device, s.id.point, s.id.fsType)
	}
	s.values[1].send(ch, s.ro)
	if a.trouble != "" {
		s.values[0].send(ch, 1)
		return
	}
	u := a.usage
	s.values[0].send(ch, 0)
	for i, v := range []uint64{u.Size, u.Free, u.Avail, u.Files, u.FilesFree} {
		s.values[2+i].send(ch, float64(v))
	}
	s.info.send(ch, 1)
	if used := float64(u.Size) - float64(u.Free); used >= 0 && used+float64(u.Avail) > 0 { // a file system without a size has no ratio
		s.ratio.send(ch, used/(used+float64(u.Avail)))
	}
}

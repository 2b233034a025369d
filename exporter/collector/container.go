package collector

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "container", Summary: "CPU, memory, disks, network, pressure, limits, restarts and health of each container and pod",
		Source: "control groups (cgroup v1 and v2), /proc/<pid>/net/dev, the sockets of Docker, podman and CRI; names of cAdvisor",
		New: func() Collector {
			return &containers{
				DockerSockets: "/run/docker.sock,/run/podman/podman.sock",
				Labels:        "com.docker.compose.project,com.docker.compose.service",
				CRISockets:    "/run/containerd/containerd.sock,/run/crio/crio.sock,/run/k3s/containerd/containerd.sock", MaxContainers: 500,
			}
		},
	})
}

// containers publishes the containers of the host, whatever runs them.
type containers struct {
	DockerSockets string `json:"docker_sockets" help:"Sockets of Docker and podman, separated by commas; empty: ask none."`
	CRISockets    string `json:"cri_sockets" help:"Sockets of containerd and CRI-O, separated by commas; empty: ask none."`
	Labels        string `json:"labels" help:"Labels of Docker's containers that become labels container_label_<name>, separated by commas."`
	MaxContainers int    `json:"max_containers" min:"1" max:"100000" help:"How many containers, pods and services are published; more are counted."`
	Services      bool   `json:"services" help:"Publish the services and scopes of systemd too."`

	host    *Host
	reader  cgroupReader
	names   *containerNames
	net     containerNet
	file    file
	devices map[[2]uint64]string
	known   map[string]*containerSeries // by the path of the group
	extra   []string                    // the names that Labels have as labels of metrics
}

// containerSeries are the series of one group that stay.
type containerSeries struct {
	labels                                []string
	extra                                 []string // values of containers.extra
	extraPairs                            []*dto.LabelPair
	values                                [containerValueCount]series
	created, started, lastSeen, healthier series
	disks                                 map[[2]uint64]*deviceSeries
	links                                 map[string]*[len(containerNetwork)]series
}

type deviceSeries struct {
	values                [len(fsFamilies)]series
	blkioRead, blkioWrite series
}

func (c *containers) Open(h *Host) error {
	c.host, c.known, c.net, c.extra = h, map[string]*containerSeries{}, containerNet{host: h}, nil
	c.reader.meminfo = h.proc("meminfo")
	c.names = &containerNames{logs: h.root("var/log"), now: h.Now, log: h.Log}
	var keep []string
	for key := range strings.SplitSeq(c.Labels, ",") {
		if key = strings.TrimSpace(key); key == "" {
			continue
		}
		if name := containerLabel(key); !slices.Contains(c.extra, name) {
			keep, c.extra = append(keep, key), append(c.extra, name)
		}
	}
	for _, kind := range []struct {
		name, paths string
		open        func(string) containerRuntime
	}{
		{"docker", c.DockerSockets, func(p string) containerRuntime { return newDocker(p, keep, h.Now) }},
		{"cri", c.CRISockets, func(p string) containerRuntime { return newCRI(p) }},
	} {
		for p := range strings.SplitSeq(kind.paths, ",") {
			if p = strings.TrimSpace(p); p != "" {
				c.names.sockets = append(c.names.sockets, &runtimeSocket{kind: kind.name, path: h.root(p), open: kind.open})
			}
		}
	}
	return nil
}

// Close ends the connections to the runtimes.
func (c *containers) Close() error {
	c.names.close()
	return nil
}

func (c *containers) Families() []*Family {
	var out []*Family
	for _, v := range containerValues {
		if !slices.Contains(out, v.family) {
			out = append(out, v.family)
		}
	}
	out = append(out, fsFamilies[:]...)
	out = append(out, containerBlkio)
	out = append(out, containerNetwork[:]...)
	return append(out, containerCreated, containerStart, containerLastSeen, containerHealthy, containerHealth, containerRestarts, containerRunning,
		machineCores, machineMemory, machineSwap, containersFound, containersOmitted, runtimeUp)
}

func (c *containers) Update(ctx context.Context, ch chan<- prometheus.Metric) error {
	if c.reader.trees.none() { // it may be mounted later
		if c.reader.trees = findTrees(c.host); c.reader.trees.none() {
			return fmt.Errorf("%w: no control groups at %s", ErrNoData, c.host.sys("fs/cgroup"))
		}
	}
	all, tooLarge, err := c.reader.trees.groups()
	if err != nil {
		return fmt.Errorf("reading the tree of control groups: %w", err)
	}
	all = slices.DeleteFunc(all, func(g cgroup) bool { return g.kind == serviceGroup && !c.Services })
	list := c.choose(all)
	unknown := false
	for _, g := range list {
		if _, ok := c.names.of(g); !ok && (g.kind == containerGroup || g.kind == podGroup) {
			unknown = true
		}
	}
	c.names.refresh(ctx, unknown)

	left := map[string]int{"containers": len(all) - len(list), "groups": int(truth(tooLarge)), "devices": 0, "interfaces": 0}
	err = c.sendAll(ctx, ch, list, left)
	found := 0
	for _, g := range all {
		if g.kind == containerGroup {
			found++
		}
	}
	containersFound.send(ch, float64(found))
	for what, n := range left {
		containersOmitted.send(ch, float64(n), what)
	}
	c.sendRuntimes(ch)
	c.sendMachine(ch)
	return err
}

// choose keeps to the limit. Groups that were published before come first, so that new ones do not push others out.
func (c *containers) choose(all []cgroup) []cgroup {
	if len(all) <= c.MaxContainers {
		return all
	}
	list := slices.Clone(all)
	slices.SortStableFunc(list, func(a, b cgroup) int {
		_, x := c.known[a.path]
		_, y := c.known[b.path]
		return int(truth(y)) - int(truth(x))
	})
	return list[:c.MaxContainers]
}

// sendAll reads and publishes the groups. What was left out is added to left.
func (c *containers) sendAll(ctx context.Context, ch chan<- prometheus.Metric, list []cgroup, left map[string]int) error {
	c.net.begin()
	c.readDevices()
	seen := map[string]bool{}
	pods := map[string]*containerSeries{} // by UID
	pids := map[string][]int{}            // of the containers of each pod
	for i, g := range list {
		if err := ctx.Err(); err != nil {
			left["containers"] += len(list) - i
			return fmt.Errorf("the time was over after %d of %d groups: %w", i, len(list), err)
		}
		stats := c.reader.read(g)
		if stats == nil {
			continue
		}
		seen[g.path] = true
		info, known := c.names.of(g)
		s := c.of(g, info)
		c.send(ch, g, s, stats, left)
		switch {
		case g.kind == rootGroup:
			links, omitted := c.net.hostLinks()
			sendLinks(ch, s, links)
			left["interfaces"] += omitted
		case g.kind == podGroup:
			pods[g.pod] = s
		case g.pod != "":
			pids[g.pod] = append(pids[g.pod], stats.pids...)
		case g.kind == containerGroup:
			links, omitted := c.net.links(stats.pids)
			sendLinks(ch, s, links)
			left["interfaces"] += omitted
		}
		c.sendTimes(ch, g, s, info)
		if known && info.hasState && g.kind == containerGroup {
			s.healthier.send(ch, healthState(info.health))
		}
	}
	for uid, s := range pods { // all containers of a pod share its network
		links, omitted := c.net.links(pids[uid])
		sendLinks(ch, s, links)
		left["interfaces"] += omitted
	}
	for p := range c.known {
		if !seen[p] {
			delete(c.known, p)
		}
	}
	return nil
}

func (c *containers) send(ch chan<- prometheus.Metric, _ cgroup, s *containerSeries, stats *containerStats, left map[string]int) {
	for i, v := range stats.values {
		if !math.IsNaN(v) {
			s.values[i].send(ch, v)
		}
	}
	for i, d := range stats.devices {
		if i >= maxDevices {
			left["devices"] += len(stats.devices) - i
			break
		}
		ds := s.disk(d, c.devices)
		for k, v := range d.values {
			ds.values[k].send(ch, float64(v))
		}
		ds.blkioRead.send(ch, float64(d.values[ctrBytesRead]))
		ds.blkioWrite.send(ch, float64(d.values[ctrBytesWritten]))
	}
	s.lastSeen.send(ch, float64(c.host.Now().Unix()))
}

func (c *containers) sendTimes(ch chan<- prometheus.Metric, g cgroup, s *containerSeries, info containerInfo) {
	made, ok := modified(c.reader.trees.folder(g.path))
	if ok {
		s.created.send(ch, made)
	}
	switch {
	case !info.started.IsZero() && info.started.Unix() > 0:
		s.started.send(ch, float64(info.started.Unix()))
	case ok:
		s.started.send(ch, made)
	}
}

// healthState is cAdvisor's number for the result of a health check: 1 healthy, 0 not (yet), -1 without a check.
func healthState(health string) float64 {
	switch health {
	case "healthy":
		return 1
	case "":
		return -1
	}
	return 0
}

// sendRuntimes publishes what only the runtimes know, for stopped containers too.
func (c *containers) sendRuntimes(ch chan<- prometheus.Metric) {
	best := map[string]containerInfo{} // a container that was made anew has the same names: the one that runs, else the youngest, counts
	for _, s := range c.names.sockets {
		if exists(s.path) && !s.useless {
			runtimeUp.send(ch, truth(s.up), s.kind, c.host.hostPath(s.path))
		}
		for _, i := range s.known {
			if !i.hasState {
				continue
			}
			key := strings.Join(i.nameLabels(), "\x00")
			old, ok := best[key]
			if !ok && len(best) >= 2*c.MaxContainers {
				continue
			}
			if !ok || i.running && !old.running || i.running == old.running && i.created.After(old.created) {
				best[key] = i
			}
		}
	}
	for _, i := range best {
		labels := append([]string{""}, i.nameLabels()...)
		containerRunning.sparse(labels...).send(ch, truth(i.running))
		if i.restarts >= 0 {
			containerRestarts.sparse(labels...).send(ch, float64(i.restarts))
		}
		if i.health == "" {
			continue
		}
		for _, h := range []string{"starting", "healthy", "unhealthy"} {
			containerHealth.sparse(append(slices.Clone(labels), h)...).send(ch, truth(i.health == h))
		}
	}
}

// nameLabels are the labels of a container that stay when it is made anew: name, image, container, pod, namespace.
func (i containerInfo) nameLabels() []string {
	return []string{i.name, i.image, i.container, i.pod, i.namespace}
}

func (c *containers) sendMachine(ch chan<- prometheus.Metric) {
	if b, err := c.file.read(c.host.proc("meminfo")); err == nil {
		_ = eachMemory(b, func(field []byte, _ bool, v uint64) error { // meminfo's own collector reports what is wrong with it
			switch string(field) {
			case "MemTotal":
				machineMemory.send(ch, float64(v))
			case "SwapTotal":
				machineSwap.send(ch, float64(v))
			}
			return nil
		})
	}
	if b, err := c.file.read(c.host.proc("stat")); err == nil {
		cores := 0
		_ = eachCPU(b, func(uint64, *[cpuColumns]uint64) { cores++ })
		machineCores.send(ch, float64(cores))
	}
}

func (c *containers) readDevices() {
	if b, err := c.file.read(c.host.proc("diskstats")); err == nil {
		c.devices = deviceNames(b)
	}
}

// folder returns a folder of a group.
func (t cgroupTrees) folder(at string) string {
	if t.isV2() {
		return filepath.Join(t.unified, at)
	}
	for _, name := range v1Controllers {
		if dir := filepath.Join(t.v1[name], at); t.v1[name] != "" && exists(dir) {
			return dir
		}
	}
	return ""
}

// of returns the series of a group. They are made anew when its names change, as when the runtime tells them only after a while.
func (c *containers) of(g cgroup, i containerInfo) *containerSeries {
	name := i.name
	if name == "" && g.kind == containerGroup {
		name = unnamed(g, i)
	}
	labels := []string{g.path, name, i.image, i.container, i.pod, i.namespace}
	if s, ok := c.known[g.path]; ok && slices.Equal(s.labels, labels) && slices.Equal(s.extra, i.labels) {
		return s
	}
	s := &containerSeries{labels: labels, extra: i.labels, disks: map[[2]uint64]*deviceSeries{}, links: map[string]*[len(containerNetwork)]series{}}
	for k, v := range i.labels {
		if v = strings.ToValidUTF8(v, "\uFFFD"); v != "" {
			s.extraPairs = append(s.extraPairs, &dto.LabelPair{Name: &c.extra[k], Value: &v})
		}
	}
	for i, v := range containerValues {
		s.values[i] = s.series(v.family, v.labels...)
	}
	s.created, s.started, s.lastSeen, s.healthier = s.series(containerCreated), s.series(containerStart), s.series(containerLastSeen), s.series(containerHealthy)
	c.known[g.path] = s
	return s
}

// unnamed is the name of a container that no runtime tells the name of: its id, whole for Kubernetes as from the kubelet, else the 12 digits that "docker
// ps" shows. cAdvisor has no name then, and dashboards, which ask for one, no such container. The label id has all of it.
func unnamed(g cgroup, i containerInfo) string {
	const whole, short = 64, 12
	if g.cgroupIdentity.pod != "" || i.pod != "" || len(g.id) != whole {
		return g.id
	}
	return g.id[:short]
}

// containerLabel is the name that cAdvisor gives to a label of a container: com.docker.compose.service is container_label_com_docker_compose_service.
func containerLabel(key string) string {
	return "container_label_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
}

// series returns the series of a family that belongs to the container, with the values of the labels that the family has beyond those of every container.
func (s *containerSeries) series(f *Family, more ...string) series {
	one := f.sparse(append(slices.Clone(s.labels), more...)...)
	if len(s.extraPairs) > 0 {
		one.pairs = append(one.pairs, s.extraPairs...)
		slices.SortFunc(one.pairs, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	}
	return one
}

func (s *containerSeries) disk(d deviceIO, names map[[2]uint64]string) *deviceSeries {
	key := [2]uint64{d.major, d.minor}
	if ds, ok := s.disks[key]; ok {
		return ds
	}
	major, minor := strconv.FormatUint(d.major, 10), strconv.FormatUint(d.minor, 10)
	device := names[key]
	if device == "" {
		device = major + ":" + minor
	}
	ds := &deviceSeries{}
	for i, f := range fsFamilies {
		ds.values[i] = s.series(f, device)
	}
	ds.blkioRead = s.series(containerBlkio, device, major, minor, "Read")
	ds.blkioWrite = s.series(containerBlkio, device, major, minor, "Write")
	if len(s.disks) >= maxDevices {
		clear(s.disks)
	}
	s.disks[key] = ds
	return ds
}

package collector

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
)

// maxInterfaces bounds the interfaces of one container.
const maxInterfaces = 32

// containerNet reads the interfaces of the host and of other network name spaces.
type containerNet struct {
	host *Host
	file file
	own  uint64          // the host's name space
	seen map[uint64]bool // those that were read in this scrape
}

// begin starts a scrape.
func (n *containerNet) begin() {
	n.own, _ = n.space(1)
	n.seen = map[uint64]bool{}
}

// space returns which network name space a process is in. The files below /proc/<pid>/net have a number of their own in each, which everybody may
// see; /proc/<pid>/ns may be read by root only.
func (n *containerNet) space(pid int) (uint64, bool) {
	var s syscall.Stat_t
	if err := syscall.Stat(n.host.proc(strconv.Itoa(pid)+"/net/dev"), &s); err != nil {
		return 0, false
	}
	return s.Ino, true
}

// links returns the interfaces that the first living one of the processes sees, nil for a container that shares the network of the host, or of another
// container that was read before: their numbers are not its own.
func (n *containerNet) links(pids []int) (out []Link, omitted int) {
	for _, pid := range pids {
		space, ok := n.space(pid)
		if !ok {
			continue // it has ended
		}
		if space == n.own || n.seen[space] {
			return nil, 0
		}
		list, left, ok := n.read(pid)
		if !ok {
			continue
		}
		n.seen[space] = true
		return list, left
	}
	return nil, 0
}

// hostLinks returns the interfaces of the host, as process 1 sees them: they are the root's, as in cAdvisor.
func (n *containerNet) hostLinks() (out []Link, omitted int) {
	out, omitted, _ = n.read(1)
	return out, omitted
}

// read returns the interfaces that a process sees, without those that are ends of other containers' networks.
func (n *containerNet) read(pid int) (out []Link, omitted int, ok bool) {
	b, err := n.file.read(n.host.proc(strconv.Itoa(pid) + "/net/dev"))
	if err != nil {
		return nil, 0, false
	}
	list, err := parseNetDev(b)
	if err != nil {
		return nil, 0, false
	}
	for _, l := range list {
		switch {
		case ignoredInterface(l.Name):
		case len(out) == maxInterfaces:
			omitted++
		default:
			out = append(out, l)
		}
	}
	return out, omitted, true
}

// ignoredInterface holds for those that cAdvisor leaves out: the loopback, and ends of other containers' networks.
func ignoredInterface(name string) bool {
	for _, p := range []string{"lo", "veth", "docker", "nerdctl"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// sendLinks publishes interfaces under the labels of a container or pod.
func sendLinks(ch chan<- prometheus.Metric, s *containerSeries, list []Link) {
	for _, l := range list {
		values := [len(containerNetwork)]uint64{
			l.Stats.RxBytes, l.Stats.RxPackets, l.Stats.RxErrs, l.Stats.RxDrop, l.Stats.TxBytes, l.Stats.TxPackets, l.Stats.TxErrs, l.Stats.TxDrop,
		}
		all, ok := s.links[l.Name]
		if !ok {
			all = new([len(containerNetwork)]series)
			for i, f := range containerNetwork {
				all[i] = s.series(f, l.Name)
			}
			if len(s.links) >= maxLinks {
				clear(s.links)
			}
			s.links[l.Name] = all
		}
		for i, v := range values {
			all[i].send(ch, float64(v))
		}
	}
}

// deviceNames returns the names of block devices by their numbers, "/dev/sda" for {8, 0}.
func deviceNames(b []byte) map[[2]uint64]string {
	out := map[[2]uint64]string{}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		major, rest := cutField(line)
		minor, rest := cutField(rest)
		name, _ := cutField(rest)
		a, err1 := parseUint(major)
		i, err2 := parseUint(minor)
		if err1 == nil && err2 == nil && len(name) > 0 {
			out[[2]uint64{a, i}] = "/dev/" + string(name)
		}
	}
	return out
}

// modified returns when a folder was made: the kernel sets the time of a group's folder then.
func modified(dir string) (float64, bool) {
	s, err := os.Stat(dir)
	if err != nil {
		return 0, false
	}
	return float64(s.ModTime().Unix()), true
}

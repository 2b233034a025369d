package collector

import (
	"path"
	"regexp"
	"strings"
)

// cgroupKind says what a control group holds.
type cgroupKind int

const (
	plainGroup     cgroupKind = iota // nothing that is published by itself
	containerGroup                   // a container
	podGroup                         // a Kubernetes pod with its containers below it
	rootGroup                        // the host
	serviceGroup                     // a unit of systemd
)

// cgroupIdentity is what the path of a control group tells.
type cgroupIdentity struct {
	kind cgroupKind
	// id is the runtime's id of a container: 64 hexadecimal digits, as a rule. A machine or an lxc container has its name here.
	id string
	// pod is the UID of the pod that a pod group is, or that a container is in; "" outside Kubernetes.
	pod string
}

var (
	// podName is the last part of the path of a pod: pod<uid> with the cgroupfs driver, kubepods-burstable-pod<uid>.slice with systemd's, which writes
	// _ for -. The UID of a static pod has no dashes.
	podName = regexp.MustCompile(`^(?:kubepods[a-z-]*-)?pod([0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12})(?:\.slice)?$`)
	// containerName is the last part of the path of a container: <id>, docker-<id>.scope, cri-containerd-<id>.scope, crio-<id>.scope,
	// libpod-<id>.scope, and kubepods-…:cri-containerd:<id> where the two drivers are mixed.
	containerName = regexp.MustCompile(`^(?:(.*)[-:])?([0-9a-f]{64})(?:\.scope)?$`)
	// taskName is a container of Amazon's ECS below /ecs.
	taskName = regexp.MustCompile(`^[0-9a-f]{32}-[0-9]+$`)
)

// identify tells from its path in the tree what a control group holds.
func identify(cgroup string) cgroupIdentity {
	if cgroup == "/" {
		return cgroupIdentity{kind: rootGroup, id: "/"}
	}
	parent, base := path.Split(cgroup)
	parent = strings.TrimSuffix(parent, "/")
	if m := podName.FindStringSubmatch(base); m != nil && strings.Contains(cgroup, "kubepods") {
		return cgroupIdentity{kind: podGroup, pod: strings.ReplaceAll(m[1], "_", "-")}
	}
	if m := containerName.FindStringSubmatch(base); m != nil {
		if strings.Contains(m[1], "conmon") { // the process that watches a container of CRI-O or podman
			return cgroupIdentity{}
		}
		pod := ""
		if p := identify(parent); parent != "" && p.kind == podGroup {
			pod = p.pod
		} else if name, _, mixed := strings.Cut(base, ":"); mixed {
			if p := podName.FindStringSubmatch(name); p != nil {
				pod = strings.ReplaceAll(p[1], "_", "-")
			}
		}
		return cgroupIdentity{kind: containerGroup, id: m[2], pod: pod}
	}
	if taskName.MatchString(base) && strings.HasPrefix(cgroup, "/ecs/") {
		return cgroupIdentity{kind: containerGroup, id: base}
	}
	if name := machineName(parent, base); name != "" {
		return cgroupIdentity{kind: containerGroup, id: name}
	}
	if strings.HasSuffix(base, ".service") || strings.HasSuffix(base, ".scope") {
		return cgroupIdentity{kind: serviceGroup, id: base}
	}
	return cgroupIdentity{}
}

// machineName returns the name of a machine of systemd (nspawn, or a virtual machine) or of an lxc container, "" for anything else.
func machineName(parent, base string) string {
	switch {
	case strings.HasPrefix(base, "machine-") && strings.HasSuffix(base, ".scope"):
		return unescapeUnit(strings.TrimSuffix(strings.TrimPrefix(base, "machine-"), ".scope"))
	case strings.HasPrefix(base, "systemd-nspawn@") && strings.HasSuffix(base, ".service"):
		return unescapeUnit(strings.TrimSuffix(strings.TrimPrefix(base, "systemd-nspawn@"), ".service"))
	case strings.HasPrefix(base, "lxc.payload."):
		return strings.TrimPrefix(base, "lxc.payload.")
	case path.Base(parent) == "lxc.payload" || parent == "/lxc":
		return base
	}
	return ""
}

// unescapeUnit turns \x2d and the like in the name of a unit of systemd into the byte.
func unescapeUnit(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+3 < len(name) && name[i+1] == 'x' {
			hi, ok1 := hexDigit(name[i+2])
			lo, ok2 := hexDigit(name[i+3])
			if ok1 && ok2 {
				b.WriteByte(hi<<4 | lo)
				i += 3
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

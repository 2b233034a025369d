package collector

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	// maxGroups bounds the directories that one walk looks at, and maxDepth how deep it goes: a tree that is larger is no host's, but a mistake or an
	// attack by somebody who may make groups.
	maxGroups = 20_000
	maxDepth  = 24
)

// cgroupTrees are the hierarchies of control groups of the host.
type cgroupTrees struct {
	// unified is the folder of the version 2 hierarchy, "" where there is none.
	unified string
	// v1 has the folder of each version 1 controller. It is empty where version 2 has all.
	v1 map[string]string
}

// v1Controllers are those that are read.
var v1Controllers = []string{"cpu", "cpuacct", "memory", "blkio", "pids"}

// findTrees looks where distributions mount the hierarchies: version 2 at fs/cgroup, or version 1 there, one folder for each controller, with
// version 2 under unified for systemd's own use (hybrid).
func findTrees(h *Host) cgroupTrees {
	root := h.sys("fs/cgroup")
	if exists(filepath.Join(root, "cgroup.controllers")) {
		return cgroupTrees{unified: root}
	}
	t := cgroupTrees{v1: map[string]string{}}
	for _, c := range v1Controllers {
		for _, name := range []string{c, "cpu,cpuacct", "cpuacct,cpu"} {
			if dir := filepath.Join(root, name); exists(dir) && (name == c || strings.HasPrefix(c, "cpu")) {
				t.v1[c] = dir
				break
			}
		}
	}
	if u := filepath.Join(root, "unified"); exists(filepath.Join(u, "cgroup.controllers")) {
		t.unified = u
	}
	return t
}

// isV2 reports whether values come from version 2.
func (t cgroupTrees) isV2() bool { return len(t.v1) == 0 }

func (t cgroupTrees) none() bool { return t.isV2() && t.unified == "" }

// cgroup is a control group that is published.
type cgroup struct {
	path string // from the root of the tree: "/docker/<id>"
	cgroupIdentity
}

// groups lists the containers, pods, units and the root of the tree, by path. What is below a container belongs to it. omitted says that the tree
// was larger than can be looked at.
func (t cgroupTrees) groups() (list []cgroup, omitted bool, err error) {
	roots := []string{t.unified}
	if !t.isV2() { // a process may be in a group of one controller and not of the other
		roots = nil
		for _, c := range []string{"memory", "cpuacct", "cpu", "pids", "blkio"} {
			if dir := t.v1[c]; dir != "" && !slices.Contains(roots, dir) && len(roots) < 2 {
				roots = append(roots, dir)
			}
		}
	}
	w := cgroupWalk{seen: map[string]bool{}}
	for _, r := range roots {
		if err := w.walk(r, "/", 0); err != nil {
			return nil, false, err
		}
	}
	slices.SortFunc(w.list, func(a, b cgroup) int { return strings.Compare(a.path, b.path) })
	return w.list, w.count >= maxGroups, nil
}

type cgroupWalk struct {
	list  []cgroup
	seen  map[string]bool
	count int
}

func (w *cgroupWalk) walk(root, at string, depth int) error {
	w.count++
	if w.count >= maxGroups || depth > maxDepth {
		return nil
	}
	id := identify(at)
	if id.kind != plainGroup && !w.seen[at] {
		w.seen[at] = true
		w.list = append(w.list, cgroup{at, id})
	}
	dir := filepath.Join(root, at)
	if id.kind == containerGroup || leafFolder(dir) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		if depth > 0 { // it has just gone, or is closed to us: the others are read on
			return nil
		}
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := w.walk(root, path.Join(at, e.Name()), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaf reports whether a folder of the kernel's has no folders in it, by its number of links: each folder in it adds one to its own two. Reading the names
// of its fifty files costs ten times as much.
func leafFolder(dir string) bool {
	var s syscall.Stat_t
	return syscall.Lstat(dir, &s) == nil && s.Nlink == 2
}

package collector

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"
)

const (
	// refreshNames is how old what the runtimes said may get; refreshUnknown the same when there is a container that they have not named yet.
	refreshNames   = 10 * time.Second
	refreshUnknown = 2 * time.Second
	// askRuntime is how long a runtime may take; retryRuntime how long one that failed is left alone. What it said before stays known.
	askRuntime   = time.Second
	retryRuntime = 30 * time.Second
	// retryNoCRI is how long one is left alone that is no runtime of Kubernetes: it becomes one when somebody changes its configuration.
	retryNoCRI = 5 * time.Minute
	// maxRuntimeContainers bounds the containers of one runtime, stopped ones included.
	maxRuntimeContainers = 10_000
)

// containerInfo is what a runtime tells of a container or the sandbox of a pod. What it does not tell is empty.
type containerInfo struct {
	id, name, image                   string
	container, pod, namespace, podUID string
	sandbox                           string
	started, created                  time.Time
	restarts                          int // -1: not known
	health                            string
	labels                            []string // values of the labels that are wanted, in their order; nil where the runtime has none
	running, hasState                 bool     // hasState: the runtime says whether it runs
}

// containerRuntime is a runtime that can be asked for its containers.
type containerRuntime interface {
	list(ctx context.Context) ([]containerInfo, error)
	close()
}

// runtimeSocket is a runtime at the other end of a socket that may come and go.
type runtimeSocket struct {
	kind, path string
	open       func(path string) containerRuntime

	runtime containerRuntime // nil while there is no socket
	known   []containerInfo
	up      bool
	useless bool // it has nothing to tell and is not expected to; this is no trouble
	retry   time.Time
	trouble string // the last one that was logged
}

// containerNames knows the containers of the host by their ids, and its pods by their UIDs.
type containerNames struct {
	sockets []*runtimeSocket
	logs    string // where the kubelet keeps the logs of pods: its folders tell their names when no socket is readable
	now     func() time.Time
	log     *slog.Logger

	asked time.Time
	byID  map[string]containerInfo
	pods  map[string]containerInfo
}

// refresh asks the runtimes again when what they said is old. unknown says that there is a container without a name.
func (n *containerNames) refresh(ctx context.Context, unknown bool) {
	age := n.now().Sub(n.asked)
	if age < refreshUnknown || age < refreshNames && !unknown {
		return
	}
	n.asked, n.byID, n.pods = n.now(), map[string]containerInfo{}, map[string]containerInfo{}
	n.readLogFolders()
	for _, s := range n.sockets {
		s.refresh(ctx, n.now(), n.log)
		for _, i := range s.known {
			n.byID[i.id] = i
			if i.podUID != "" {
				n.pods[i.podUID] = containerInfo{pod: i.pod, namespace: i.namespace}
			}
		}
	}
}

func (s *runtimeSocket) refresh(ctx context.Context, now time.Time, log *slog.Logger) {
	if !exists(s.path) {
		s.close()
		s.known, s.up, s.useless, s.retry = nil, false, false, time.Time{}
		return
	}
	if now.Before(s.retry) {
		return
	}
	if s.runtime == nil {
		s.runtime = s.open(s.path)
	}
	ctx, cancel := context.WithTimeout(ctx, askRuntime)
	defer cancel()
	known, err := s.runtime.list(ctx)
	if errors.Is(err, errNoCRI) {
		if !s.useless {
			log.Info("The container runtime has no CRI; it is not asked for names", "runtime", s.kind, "socket", s.path, "err", err)
		}
		s.known, s.up, s.useless, s.trouble, s.retry = nil, false, true, "", now.Add(retryNoCRI)
		return
	}
	s.useless = false
	if err != nil {
		s.up, s.retry = false, now.Add(retryRuntime)
		if s.trouble == "" {
			log.Warn("A container runtime does not answer; containers are known by their ids only", "runtime", s.kind, "socket", s.path, "err", err)
		}
		s.trouble = err.Error()
		return
	}
	if s.trouble != "" {
		log.Info("The container runtime answers again", "runtime", s.kind, "socket", s.path)
	}
	s.known, s.up, s.trouble = known, true, ""
}

func (s *runtimeSocket) close() {
	if s.runtime != nil {
		s.runtime.close()
		s.runtime = nil
	}
}

// readLogFolders reads the names that the kubelet gives to the folders of logs: pods/<namespace>_<pod>_<uid>, and
// containers/<pod>_<namespace>_<container>-<id>.log.
func (n *containerNames) readLogFolders() {
	pods, _ := os.ReadDir(n.logs + "/pods") // not there without Kubernetes
	for _, e := range pods {
		if i, ok := parsePodFolder(e.Name()); ok && len(n.pods) < maxRuntimeContainers {
			n.pods[i.podUID] = i
		}
	}
	containers, _ := os.ReadDir(n.logs + "/containers")
	for _, e := range containers {
		if i, ok := parseLogName(e.Name()); ok && len(n.byID) < maxRuntimeContainers {
			n.byID[i.id] = i
		}
	}
}

func parsePodFolder(name string) (containerInfo, bool) {
	parts := strings.Split(name, "_")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return containerInfo{}, false
	}
	return containerInfo{namespace: parts[0], pod: parts[1], podUID: parts[2]}, true
}

func parseLogName(name string) (containerInfo, bool) {
	name, ok := strings.CutSuffix(name, ".log")
	at := strings.LastIndexByte(name, '-')
	if !ok || at < 0 {
		return containerInfo{}, false
	}
	parts := strings.Split(name[:at], "_")
	if len(parts) != 3 || len(name)-at-1 != 64 {
		return containerInfo{}, false
	}
	return containerInfo{id: name[at+1:], pod: parts[0], namespace: parts[1], container: parts[2], restarts: -1}, true
}

// of returns what is known of a group.
func (n *containerNames) of(g cgroup) (containerInfo, bool) {
	if g.kind == podGroup {
		i, ok := n.pods[g.cgroupIdentity.pod]
		return i, ok
	}
	i, ok := n.byID[g.id]
	if p := n.pods[g.cgroupIdentity.pod]; i.pod == "" && g.cgroupIdentity.pod != "" {
		i.pod, i.namespace = p.pod, p.namespace
	}
	return i, ok
}

func (n *containerNames) close() {
	for _, s := range n.sockets {
		s.close()
	}
}

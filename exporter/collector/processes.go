package collector

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "processes", Summary: "processes and threads by state, and their limits",
		Source: "/proc/[pid]/stat, /proc/[pid]/task, /proc/sys/kernel", New: func() Collector { return &processes{Threads: true} },
	})
}

var (
	processesThreads     = gauge("node_processes_threads", "Allocated threads in system")
	processesThreadLimit = gauge("node_processes_max_threads", "Limit of threads in the system")
	processesThreadState = gauge("node_processes_threads_state", "Number of threads in each state.", "thread_state")
	processesState       = gauge("node_processes_state", "Number of processes in each state.", "state")
	processesPIDs        = gauge("node_processes_pids", "Number of PIDs")
	processesPIDLimit    = gauge("node_processes_max_processes", "Number of max PIDs limit")
)

type processes struct {
	Threads bool `json:"threads" help:"Publish the states of threads, too. Costs a file for each thread of the host."`

	host *Host
	file file
}

// census is what one walk over /proc counts.
type census struct {
	pids, threads        uint64
	states, threadStates [256]uint64 // by the letter of the state
}

func (c *processes) Open(h *Host) error { c.host = h; return nil }

func (c *processes) Families() []*Family {
	return []*Family{processesThreads, processesThreadLimit, processesThreadState, processesState, processesPIDs, processesPIDLimit}
}

func (c *processes) Update(ctx context.Context, ch chan<- prometheus.Metric) error {
	n, err := c.count(ctx)
	if err != nil {
		return err
	}
	processesThreads.with().send(ch, float64(n.threads))
	processesPIDs.with().send(ch, float64(n.pids))
	for letter, v := range n.states {
		if v > 0 {
			processesState.send(ch, float64(v), string(rune(letter)))
		}
	}
	for letter, v := range n.threadStates {
		if v > 0 {
			processesThreadState.send(ch, float64(v), string(rune(letter)))
		}
	}
	for _, u := range []unit{{"threads-max", processesThreadLimit, 1}, {"pid_max", processesPIDLimit, 1}} {
		v, err := c.file.number(c.host.proc("sys/kernel/" + u.file))
		if err != nil {
			return fmt.Errorf("reading a limit of processes: %w", err)
		}
		u.f.with().send(ch, v)
	}
	return nil
}

// count walks over all processes. One that ends meanwhile is not counted, neither is one that this user may not see (hidepid).
func (c *processes) count(ctx context.Context) (n *census, err error) {
	dir, err := os.Open(c.host.Proc)
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close() // nothing was written
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	n = &census{}
	root := strings.TrimSuffix(c.host.Proc, "/") + "/"
	for i, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		if i%256 == 0 && ctx.Err() != nil {
			return nil, fmt.Errorf("counting processes: %d of about %d were read in time: %w", n.pids, len(names), ctx.Err())
		}
		state, threads, err := c.stat(root + name + "/stat")
		switch {
		case gone(err):
			continue
		case err != nil:
			return nil, err
		}
		n.pids++
		n.states[state]++
		n.threads += threads
		switch {
		case !c.Threads:
		case threads <= 1:
			n.threadStates[state]++
		default:
			if err := c.tasks(ctx, n, root+name+"/task/", name, state); err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}

// tasks counts the threads of one process. The first one is the process itself.
func (c *processes) tasks(ctx context.Context, n *census, dir, pid string, state byte) error {
	names, _ := list(dir, "") // none when it has ended, or is not ours to see
	for i, name := range names {
		if name == pid {
			n.threadStates[state]++
			continue
		}
		if i%256 == 255 && ctx.Err() != nil {
			return fmt.Errorf("counting the threads of process %s: %w", pid, ctx.Err())
		}
		s, _, err := c.stat(dir + name + "/stat")
		switch {
		case gone(err):
		case err != nil:
			return err
		default:
			n.threadStates[s]++
		}
	}
	return nil
}

func (c *processes) stat(path string) (state byte, threads uint64, err error) {
	b, err := c.file.readOne(path) // at most about 1 kB
	if err != nil {
		return 0, 0, err
	}
	if state, threads, err = parseProcess(b); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	return state, threads, nil
}

// parseProcess reads the state and the number of threads of /proc/[pid]/stat, the fields 3 and 20. The name in field 2 may hold spaces and parentheses.
func parseProcess(b []byte) (state byte, threads uint64, err error) {
	at := bytes.LastIndexByte(b, ')')
	if at < 0 {
		return 0, 0, fmt.Errorf("%q: want a name in parentheses", shorten(b))
	}
	field, rest := cutField(b[at+1:])
	if len(field) != 1 {
		return 0, 0, fmt.Errorf("state %q: want one letter", shorten(field))
	}
	state = field[0]
	for range 17 {
		field, rest = cutField(rest)
	}
	threads, err = parseUint(field)
	if err != nil {
		return 0, 0, fmt.Errorf("number of threads %q: %w", shorten(field), err)
	}
	return state, threads, nil
}

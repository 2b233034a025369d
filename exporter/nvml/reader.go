//go:build cgo && linux

package nvml

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

const (
	defaultLibrary = "libnvidia-ml.so.1"
	// retryLoad is how long a host without a driver is left alone: a driver may be installed while the program runs.
	retryLoad = time.Minute
	// retryLost is how long to wait before the first attempt to get a lost GPU back; each one after it waits twice as long, up to retryLostMost. Starting
	// NVML can take seconds with a broken GPU, and meanwhile nobody waits for the events of the others.
	retryLost     = 10 * time.Second
	retryLostMost = 5 * time.Minute
)

// Reader reads the GPUs. It is not safe for concurrent use. Read may block as long as the driver does.
type Reader struct {
	library string
	now     func() time.Time

	lib     nvml.Interface // nil when not initialised
	symbols symbols
	devices []*device
	driver  string              // its version
	known   map[string]Identity // every GPU that was seen, by UUID
	xids    tally
	watcher *watcher      // nil when nothing waits for events
	failed  Snapshot      // what to answer until retry
	retry   time.Time     // zero when there is nothing to wait for
	backoff time.Duration // how long the last wait for a lost GPU was; 0: none is lost
	lost    bool          // a GPU was lost at the last Read
	empty   bool          // there was no GPU at the last Read
}

// device is a GPU as the library knows it. A nil handle means that it was lost before it could be asked.
type device struct {
	handle nvml.Device
	id     Identity
	noLink bool // it was asked for its NVLinks one by one and has none
}

// NewReader returns a Reader. It loads nothing before the first Read.
func NewReader(o Options) *Reader {
	if o.Library == "" {
		o.Library = defaultLibrary
	}
	return &Reader{library: o.Library, now: time.Now, known: map[string]Identity{}, xids: tally{byGPU: map[string]*XIDs{}}}
}

// Close ends the use of the library.
func (r *Reader) Close() { r.shutdown() }

// Read returns the GPUs as they are now. After a GPU was lost, the library is started anew from time to time; that is how one comes back that was
// reset or replaced.
func (r *Reader) Read() Snapshot {
	if r.lib == nil || r.lost || r.empty {
		now := r.now()
		if now.Before(r.retry) {
			if r.lib == nil {
				return r.failed
			}
		} else if s, ok := r.start(now); !ok {
			return s
		}
	}
	count, ret := r.lib.DeviceGetCount()
	if ret == nvml.SUCCESS && count != len(r.devices) && !r.lost {
		ret = r.enumerate()
	}
	if ret != nvml.SUCCESS {
		// The driver was unloaded or reset under us: one fresh start, at once.
		if s, ok := r.start(r.now()); !ok {
			return s
		}
	}
	return r.values()
}

// start shuts the library down and initialises it. It reports false, with the answer for the user, when that does not work.
func (r *Reader) start(now time.Time) (Snapshot, bool) {
	r.shutdown()
	fail := func(state State, wait time.Duration, format string, args ...any) (Snapshot, bool) {
		r.shutdown()
		r.failed = Snapshot{State: state, Detail: fmt.Sprintf(format, args...)}
		if state == DriverError && len(r.known) > 0 {
			r.failed.State, wait = Lost, r.nextWait()
		}
		r.failed.GPUs = r.missing(nil)
		r.retry = now.Add(wait)
		return r.failed, false
	}
	// Calling a function that the library lacks ends the process. So ask the dynamic linker first, before anything is called.
	found, missing, err := lookUp(r.library)
	if err != nil {
		return fail(LibraryMissing, retryLoad, "%v", err)
	}
	if len(missing) > 0 {
		return fail(DriverError, retryLoad, "%s lacks %s", r.library, strings.Join(missing, ", "))
	}
	r.symbols = found
	lib := nvml.New(nvml.WithLibraryPath(r.library))
	if ret := lib.Init(); ret != nvml.SUCCESS {
		return fail(DriverError, retryLoad, "starting NVML: %s", r.explain(ret))
	}
	r.lib = lib
	if ret := r.enumerate(); ret != nvml.SUCCESS {
		return fail(DriverError, retryLost, "counting GPUs: %s", r.explain(ret))
	}
	r.retry = time.Time{}
	return Snapshot{}, true
}

// nextWait returns how long to leave a lost GPU alone.
func (r *Reader) nextWait() time.Duration {
	r.backoff = min(max(2*r.backoff, retryLost), retryLostMost)
	return r.backoff
}

// shutdown leaves the library loaded where a call into it hangs: it must not be taken away under a call.
func (r *Reader) shutdown() {
	stopped := r.unwatch()
	if r.lib != nil && stopped {
		_ = r.lib.Shutdown() // an error leaves the library loaded, which does no harm
	}
	r.lib, r.devices, r.lost, r.empty = nil, nil, false, false
}

// explain turns a code of NVML into words.
func (r *Reader) explain(ret nvml.Return) string {
	if r.symbols.has("nvmlErrorString") {
		return fmt.Sprintf("%s (NVML error %d)", nvml.ErrorString(ret), int(ret))
	}
	return fmt.Sprintf("NVML error %d", int(ret))
}

// missing returns the known GPUs that are not among the present ones, as lost, ordered by index.
func (r *Reader) missing(present []GPU) []GPU {
	var out []GPU
	for _, uuid := range slices.Sorted(maps.Keys(r.known)) {
		if !slices.ContainsFunc(present, func(g GPU) bool { return g.UUID == uuid }) {
			out = append(out, GPU{Identity: r.known[uuid], Values: Unknown(), Lost: true, XIDs: r.xids.of(uuid)})
		}
	}
	slices.SortStableFunc(out, func(a, b GPU) int { return a.Index - b.Index })
	return out
}

// values asks every GPU.
func (r *Reader) values() Snapshot {
	s := Snapshot{Driver: r.driver}
	for _, d := range r.devices {
		s.GPUs = append(s.GPUs, r.ask(d)...)
	}
	s.GPUs = append(s.GPUs, r.missing(s.GPUs)...)
	var lost []string
	for _, g := range s.GPUs {
		if g.Lost {
			lost = append(lost, fmt.Sprintf("GPU %d (%s)", g.Index, g.PCIBusID))
		}
	}
	switch {
	case len(lost) > 0:
		s.State, s.Detail = Lost, "no answer from "+strings.Join(lost, ", ")
		if !r.lost {
			r.lost, r.retry = true, r.now().Add(r.nextWait())
		}
	case len(s.GPUs) == 0:
		s.State, s.Detail = NoDevice, "the driver has no GPU"
		if !r.empty { // one that is added later may show up only at a fresh start
			r.empty, r.retry = true, r.now().Add(retryLoad)
		}
	default:
		s.State, r.empty, r.backoff = OK, false, 0
	}
	return s
}

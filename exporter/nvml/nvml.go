// Package nvml reads the NVIDIA GPUs of this host through NVIDIA's management library, libnvidia-ml.so.1, which comes with the driver.
//
// The idea: whatever happens to the library, the driver or a GPU is a State, never a crash and never an invented number. A value that
// the GPU does not tell is NaN. The library is loaded at run time, so one program serves hosts with and without GPUs.
//
//	r := nvml.NewReader(nvml.Options{})
//	defer r.Close()
//	s := r.Read()
//	for _, g := range s.GPUs { fmt.Println(g.UUID, g.Values[nvml.Utilization]) }
//
// Errors that the driver reports by number (XID) come as events. A Reader waits for them in a goroutine of its own from its first Read to Close.
//
// The binding needs cgo and Linux; a program built without them answers NotBuilt. The package knows nothing of metrics, and nothing of what needs
// the profiling counters of a GPU (DCGM's DCGM_FI_PROF_*): NVML does not tell that.
package nvml

import "math"

// State says how reading the GPUs of the host went.
type State string

const (
	// OK means that every GPU answers.
	OK State = "ok"
	// Lost means that at least one GPU that was there does not answer any more. The others are still read.
	Lost State = "lost"
	// NoDevice means that the driver runs and has no GPU.
	NoDevice State = "no_device"
	// LibraryMissing means that there is no NVIDIA driver on this host, or its library cannot be loaded.
	LibraryMissing State = "library_missing"
	// DriverError means that the library is there and cannot be used: the driver is not loaded, of another version, or access is denied.
	DriverError State = "driver_error"
	// NotBuilt means that this program was built without cgo or not for Linux.
	NotBuilt State = "not_built"
)

// States lists every State, in the order above.
func States() []State { return []State{OK, Lost, NoDevice, LibraryMissing, DriverError, NotBuilt} }

// Options of a Reader. The zero value is good.
type Options struct {
	// Library is the path or name of the library; "" is libnvidia-ml.so.1, found by the dynamic linker.
	Library string
}

// Snapshot is what one Read found.
type Snapshot struct {
	State State
	// Detail says in a few words why the state is not OK.
	Detail string
	// Driver is the version of the driver, "" where it is not known.
	Driver string
	// GPUs are those that were seen since the start of the program, in the order of the driver, then lost ones. The MIG instances of a GPU follow it.
	GPUs []GPU
}

// Identity says which GPU, or which MIG instance of one, values belong to.
type Identity struct {
	Index    int    // the number of the GPU at the driver, 0, 1, …; it may change at the next start of the host
	UUID     string // "GPU-" and a UUID; "" when the GPU was lost before it told it. An instance has that of its GPU.
	PCIBusID string // "00000000:07:00.0"
	Device   string // "nvidia0", the file under /dev
	Name     string // "NVIDIA H200"
	Instance string // of a MIG instance: the number of its GPU instance; "" for a whole GPU
	Profile  string // of a MIG instance: "1g.10gb"
}

// GPU is one GPU, or one MIG instance, with its values of the moment.
type GPU struct {
	Identity
	Lost   bool // it does not answer; all values are NaN
	Values Values
	// XIDs are the errors that the driver reported since the program runs; nil where it reports none, and for MIG instances.
	XIDs *XIDs
	// Processes use the GPU; nil where the driver does not tell. Those of MIG instances are with their instance.
	Processes []Process
}

// XIDs counts the errors of one GPU by their number.
type XIDs struct {
	Last  uint64 // the latest one, 0 when there was none
	Count map[uint64]uint64
	Other uint64 // errors of numbers beyond the first 64 different ones
}

// Process is one process on a GPU.
type Process struct {
	PID      int
	Graphics bool    // it draws; otherwise it computes
	Memory   float64 // bytes, NaN where the driver does not tell
}

// Values holds one number per Value; NaN stands for one that the GPU does not tell.
type Values [numValues]float64

// Value names a number that a GPU tells.
type Value int

// The values, with their units. Counters count from the start of the driver, where nothing else is said.
const (
	Utilization           Value = iota // percent of the last sample period in which a kernel ran
	MemoryUtilization                  // percent of the last sample period in which memory was read or written
	EncoderUtilization                 // percent
	DecoderUtilization                 // percent
	SMClock                            // hertz
	MemoryClock                        // hertz
	VideoClock                         // hertz
	MaxSMClock                         // hertz
	Temperature                        // degrees Celsius
	MemoryTemperature                  // degrees Celsius
	SlowdownTemperature                // degrees Celsius at which the GPU slows itself down
	ShutdownTemperature                // degrees Celsius at which the GPU turns itself off
	Power                              // watts
	PowerLimit                         // watts that are enforced
	Energy                             // joules, counter
	MemoryTotal                        // bytes
	MemoryUsed                         // bytes, without what the driver reserves, where the driver tells them apart (since 510)
	MemoryFree                         // bytes
	MemoryReserved                     // bytes that the driver keeps for itself
	PCIeReplays                        // counter of retries
	PCIeGeneration                     // of the link as it is now
	PCIeWidth                          // lanes of the link as it is now
	PCIeTransmit                       // bytes, counter that wraps
	PCIeReceive                        // bytes, counter that wraps
	FanSpeed                           // percent of the highest speed that is intended
	PerformanceState                   // 0 is the fastest, 15 the slowest
	ClockReasons                       // bits: see ClockReason
	MIGMode                            // 1 when the GPU is split into instances
	ECCSingleVolatile                  // counter of corrected errors
	ECCDoubleVolatile                  // counter of errors that could not be corrected
	ECCSingleAggregate                 // counter over the life of the GPU
	ECCDoubleAggregate                 // counter over the life of the GPU
	RetiredSingle                      // pages, over the life of the GPU
	RetiredDouble                      // pages, over the life of the GPU
	RetiredPending                     // 1 when pages wait for a restart to be retired
	RemappedCorrectable                // rows, over the life of the GPU
	RemappedUncorrectable              // rows, over the life of the GPU
	RemapPending                       // 1 when rows wait for a reset to be remapped
	RemapFailure                       // 1 when a row could not be remapped
	NVLinkFlitCRC                      // counter over all links
	NVLinkDataCRC                      // counter over all links
	NVLinkCRC                          // counter over all links, of GPUs that do not tell the two above apart
	NVLinkReplay                       // counter over all links
	NVLinkRecovery                     // counter over all links
	NVLinkTransmit                     // bytes of data over all links, counter
	NVLinkReceive                      // bytes of data over all links, counter
	ThrottledPower                     // seconds, counter, as the next ones
	ThrottledThermal
	ThrottledSyncBoost
	ThrottledBoardLimit
	ThrottledLowUtilization
	ThrottledReliability
	ThrottledSoftwareThermal
	ThrottledHardwareThermal
	ThrottledPowerBrake
	numValues
)

// ClockReason is a reason why clocks are not at their highest, one bit of ClockReasons.
type ClockReason struct {
	Name string
	Bit  uint64
}

// ClockReasonBits lists the reasons that NVML knows (nvmlClocksEventReasons in nvml.h).
func ClockReasonBits() []ClockReason {
	return []ClockReason{
		{"gpu_idle", 1},
		{"application_clocks", 2},
		{"sw_power_cap", 4},
		{"hw_slowdown", 8},
		{"sync_boost", 16},
		{"sw_thermal_slowdown", 32},
		{"hw_thermal_slowdown", 64},
		{"hw_power_brake", 128},
		{"display_clocks", 256},
	}
}

// Unknown returns values none of which is known.
func Unknown() Values {
	var v Values
	for i := range v {
		v[i] = math.NaN()
	}
	return v
}

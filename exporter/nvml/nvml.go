// Package nvml reads the NVIDIA GPUs of this host through NVIDIA's management library, libnvidia-ml.so.1, which comes with the driver.
//
// The idea: whatever happens to the library, the driver or a GPU is a State, never a crash and never an invented number. A value that
// the GPU does not tell is NaN. The library is loaded at run time, so one program serves hosts with and without GPUs.
//
//	r := nvml.NewReader(nvml.Options{})
//	defer r.Close()
//	s := r.Read()
//	for _, g := range s.GPUs { fmt.Println(g.UUID, g.UtilizationPercent) }
//
// The binding needs cgo and Linux; a program built without them answers NotBuilt. The package knows nothing of metrics, processes on the GPU,
// MIG slices or NVLink.
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
	// GPUs are those that were seen since the start of the program, in the order of the driver, then lost ones.
	GPUs []GPU
}

// GPU is one GPU with its values of the moment; NaN stands for a value that the GPU does not tell.
type GPU struct {
	Index    int    // the number of the GPU at the driver, 0, 1, …; it may change at the next start of the host
	UUID     string // "GPU-" and a UUID; "" when the GPU was lost before it told it
	PCIBusID string // "00000000:07:00.0"
	Device   string // "nvidia0", the file under /dev
	Name     string // "NVIDIA H200"
	Lost     bool   // it does not answer; all values are NaN

	UtilizationPercent float64 // share of the last sample period in which a kernel ran, 0 to 100
	TemperatureCelsius float64
	PowerWatts         float64
	// Memory in bytes. Used leaves out what the driver reserves for itself, where the driver tells them apart (since 510).
	MemoryTotal, MemoryUsed, MemoryFree float64
}

// unknown returns g with every value unknown.
func unknown(g GPU) GPU {
	nan := math.NaN()
	g.UtilizationPercent, g.TemperatureCelsius, g.PowerWatts = nan, nan, nan
	g.MemoryTotal, g.MemoryUsed, g.MemoryFree = nan, nan, nan
	return g
}

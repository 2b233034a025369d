//go:build cgo && linux

package nvml

import (
	"fmt"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/dl"
)

// symbols holds the functions that the loaded library has.
type symbols map[string]bool

// needed lists functions without which nothing works; of the names in one line any will do. The binding takes the newest that is there.
var needed = []string{
	"nvmlInit_v2 nvmlInit",
	"nvmlShutdown",
	"nvmlDeviceGetCount_v2 nvmlDeviceGetCount",
	"nvmlDeviceGetHandleByIndex_v2 nvmlDeviceGetHandleByIndex",
}

// useful returns the functions that are called only when the library has them.
func useful() []string {
	out := []string{
		"nvmlErrorString", "nvmlSystemGetDriverVersion", "nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetMinorNumber",
		"nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo", "nvmlDeviceGetFieldValues",
		"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2", "nvmlDeviceGetComputeRunningProcesses",
		"nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2", "nvmlDeviceGetGraphicsRunningProcesses",
		"nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex", "nvmlDeviceGetGpuInstanceId",
		"nvmlEventSetCreate", "nvmlEventSetFree", "nvmlEventSetWait_v2", "nvmlEventSetWait", "nvmlDeviceRegisterEvents",
	}
	for _, c := range calls {
		out = append(out, c.symbols...)
	}
	return out
}

// has reports whether any of the functions is there.
func (s symbols) has(names ...string) bool {
	for _, n := range names {
		if s[n] {
			return true
		}
	}
	return false
}

// lookUp loads the library and asks which of the functions above it has; missing names those needed that it lacks. The library stays unused.
func lookUp(library string) (found symbols, missing []string, err error) {
	l := dl.New(library, dl.RTLD_LAZY|dl.RTLD_GLOBAL)
	if err := l.Open(); err != nil {
		return nil, nil, fmt.Errorf("loading the NVIDIA driver's library: %w", err)
	}
	defer func() { _ = l.Close() }()
	found = symbols{}
	for _, line := range needed {
		names := strings.Fields(line)
		for _, n := range names {
			found[n] = l.Lookup(n) == nil
		}
		if !found.has(names...) {
			missing = append(missing, names[0])
		}
	}
	for _, n := range useful() {
		found[n] = l.Lookup(n) == nil
	}
	return found, missing, nil
}

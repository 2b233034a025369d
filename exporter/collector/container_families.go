package collector

func containerLabels(more ...string) []string {
	return append([]string{"id", "name", "image", "container", "pod", "namespace"}, more...)
}

func containerGauge(name, help string, more ...string) *Family {
	return gauge("container_"+name, help, containerLabels(more...)...)
}

func containerCounter(name, help string, more ...string) *Family {
	return counter("container_"+name, help, containerLabels(more...)...)
}

// Values of a container that have one number each.
const (
	ctrCPUUsage = iota
	ctrCPUUser
	ctrCPUSystem
	ctrCFSPeriods
	ctrCFSThrottledPeriods
	ctrCFSThrottled
	ctrCFSBurstPeriods
	ctrCFSBurst
	ctrMemoryUsage
	ctrMemoryWorkingSet
	ctrMemoryRSS
	ctrMemoryCache
	ctrMemoryMapped
	ctrMemoryKernel
	ctrMemorySwap
	ctrMemoryFailures
	ctrMemoryMax
	ctrMemoryActiveFile
	ctrMemoryInactiveFile
	ctrMemoryFaults
	ctrMemoryFaultsBelow
	ctrMemoryMajorFaults
	ctrMemoryMajorFaultsBelow
	ctrMemoryHighEvents
	ctrMemoryMaxEvents
	ctrMemoryDirty
	ctrMemoryWriteback
	ctrMemoryScanned
	ctrMemoryReclaimed
	ctrMemoryRefaultsFile
	ctrMemoryRefaultsAnon
	ctrOOMKills
	ctrCPUWaiting
	ctrCPUStalled
	ctrMemoryWaiting
	ctrMemoryStalled
	ctrIOWaiting
	ctrIOStalled
	ctrProcesses
	ctrThreads
	ctrThreadsMax
	ctrSpecCPUPeriod
	ctrSpecCPUQuota
	ctrSpecCPUShares
	ctrSpecMemory
	ctrSpecMemorySwap
	ctrSpecMemoryReservation
	containerValueCount
)

// containerValue is a family with the values of the labels that it has beyond those of every container.
type containerValue struct {
	family *Family
	labels []string
}

var memoryFailed = containerCounter("memory_failures_total", "Cumulative count of memory allocation failures.", "failure_type", "scope")

// containerValues are by the constants above. Names, labels and help texts are cAdvisor's.
var containerValues = [containerValueCount]containerValue{
	ctrCPUUsage:            {containerCounter("cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", "cpu"), []string{"total"}},
	ctrCPUUser:             {containerCounter("cpu_user_seconds_total", "Cumulative user cpu time consumed in seconds."), nil},
	ctrCPUSystem:           {containerCounter("cpu_system_seconds_total", "Cumulative system cpu time consumed in seconds."), nil},
	ctrCFSPeriods:          {containerCounter("cpu_cfs_periods_total", "Number of elapsed enforcement period intervals."), nil},
	ctrCFSThrottledPeriods: {containerCounter("cpu_cfs_throttled_periods_total", "Number of throttled period intervals."), nil},
	ctrCFSThrottled:        {containerCounter("cpu_cfs_throttled_seconds_total", "Total time duration the container has been throttled."), nil},
	ctrCFSBurstPeriods:     {containerCounter("cpu_cfs_burst_periods_total", "Number of periods when burst occurs."), nil},
	ctrCFSBurst:            {containerCounter("cpu_cfs_burst_seconds_total", "Total time duration the container has been bursted."), nil},
	ctrMemoryUsage: {
		containerGauge("memory_usage_bytes", "Current memory usage in bytes, including all memory regardless of when it was accessed"), nil,
	},
	ctrMemoryWorkingSet:       {containerGauge("memory_working_set_bytes", "Current working set in bytes."), nil},
	ctrMemoryRSS:              {containerGauge("memory_rss", "Size of RSS in bytes."), nil},
	ctrMemoryCache:            {containerGauge("memory_cache", "Number of bytes of page cache memory."), nil},
	ctrMemoryMapped:           {containerGauge("memory_mapped_file", "Size of memory mapped files in bytes."), nil},
	ctrMemoryKernel:           {containerGauge("memory_kernel_usage", "Size of kernel memory allocated in bytes."), nil},
	ctrMemorySwap:             {containerGauge("memory_swap", "Container swap usage in bytes."), nil},
	ctrMemoryFailures:         {containerCounter("memory_failcnt", "Number of memory usage hits limits"), nil},
	ctrMemoryMax:              {containerGauge("memory_max_usage_bytes", "Maximum memory usage recorded in bytes"), nil},
	ctrMemoryActiveFile:       {containerGauge("memory_total_active_file_bytes", "Current total active file in bytes."), nil},
	ctrMemoryInactiveFile:     {containerGauge("memory_total_inactive_file_bytes", "Current total inactive file in bytes."), nil},
	ctrMemoryFaults:           {memoryFailed, []string{"pgfault", "container"}},
	ctrMemoryFaultsBelow:      {memoryFailed, []string{"pgfault", "hierarchy"}},
	ctrMemoryMajorFaults:      {memoryFailed, []string{"pgmajfault", "container"}},
	ctrMemoryMajorFaultsBelow: {memoryFailed, []string{"pgmajfault", "hierarchy"}},
	ctrMemoryHighEvents:       {containerCounter("memory_events_high_total", "Cumulative count of memory.high throttle events for the container"), nil},
	ctrMemoryMaxEvents:        {containerCounter("memory_events_max_total", "Cumulative count of memory.max limit hit events for the container"), nil},
	ctrMemoryDirty: {
		containerGauge("memory_file_dirty_bytes", "Number of bytes of file cache that has been modified but not yet written back to disk."), nil,
	},
	ctrMemoryWriteback: {
		containerGauge("memory_file_writeback_bytes", "Number of bytes of file cache that is currently being written back to disk."), nil,
	},
	ctrMemoryScanned:   {containerCounter("memory_pgscan_total", "Cumulative number of pages scanned by the page reclaim algorithm."), nil},
	ctrMemoryReclaimed: {containerCounter("memory_pgsteal_total", "Cumulative number of pages reclaimed by the page reclaim algorithm."), nil},
	ctrMemoryRefaultsFile: {
		containerCounter("memory_workingset_refault_file_total", "Cumulative number of refaults of previously evicted file pages."), nil,
	},
	ctrMemoryRefaultsAnon: {
		containerCounter("memory_workingset_refault_anon_total", "Cumulative number of refaults of previously evicted anonymous pages."), nil,
	},
	ctrOOMKills: {containerCounter("oom_events_total", "Count of out of memory events observed for the container"), nil},
	ctrCPUWaiting: {
		containerCounter("pressure_cpu_waiting_seconds_total", "Total time duration tasks in the container have waited due to CPU congestion."), nil,
	},
	ctrCPUStalled: {
		containerCounter("pressure_cpu_stalled_seconds_total", "Total time duration no tasks in the container could make progress due to CPU congestion."), nil,
	},
	ctrMemoryWaiting: {
		containerCounter("pressure_memory_waiting_seconds_total", "Total time duration tasks in the container have waited due to memory congestion."), nil,
	},
	ctrMemoryStalled: {
		containerCounter("pressure_memory_stalled_seconds_total", "Total time duration no tasks in the container could make progress due to memory congestion."), nil,
	},
	ctrIOWaiting: {
		containerCounter("pressure_io_waiting_seconds_total", "Total time duration tasks in the container have waited due to IO congestion."), nil,
	},
	ctrIOStalled: {
		containerCounter("pressure_io_stalled_seconds_total", "Total time duration no tasks in the container could make progress due to IO congestion."), nil,
	},
	ctrProcesses:             {containerGauge("processes", "Number of processes running inside the container."), nil},
	ctrThreads:               {containerGauge("threads", "Number of threads running inside the container"), nil},
	ctrThreadsMax:            {containerGauge("threads_max", "Maximum number of threads allowed inside the container, infinity if value is zero"), nil},
	ctrSpecCPUPeriod:         {containerGauge("spec_cpu_period", "CPU period of the container."), nil},
	ctrSpecCPUQuota:          {containerGauge("spec_cpu_quota", "CPU quota of the container."), nil},
	ctrSpecCPUShares:         {containerGauge("spec_cpu_shares", "CPU share of the container."), nil},
	ctrSpecMemory:            {containerGauge("spec_memory_limit_bytes", "Memory limit for the container."), nil},
	ctrSpecMemorySwap:        {containerGauge("spec_memory_swap_limit_bytes", "Memory swap limit for the container."), nil},
	ctrSpecMemoryReservation: {containerGauge("spec_memory_reservation_limit_bytes", "Memory reservation limit for the container."), nil},
}

// fsFamilies are by the constants of deviceIO.
var (
	fsFamilies = [...]*Family{
		containerCounter("fs_reads_bytes_total", "Cumulative count of bytes read", "device"),
		containerCounter("fs_writes_bytes_total", "Cumulative count of bytes written", "device"),
		containerCounter("fs_reads_total", "Cumulative count of reads completed", "device"),
		containerCounter("fs_writes_total", "Cumulative count of writes completed", "device"),
	}
	containerBlkio = containerCounter("blkio_device_usage_total", "Blkio Device bytes usage", "device", "major", "minor", "operation")

	containerNetwork = [...]*Family{
		containerCounter("network_receive_bytes_total", "Cumulative count of bytes received", "interface"),
		containerCounter("network_receive_packets_total", "Cumulative count of packets received", "interface"),
		containerCounter("network_receive_errors_total", "Cumulative count of errors encountered while receiving", "interface"),
		containerCounter("network_receive_packets_dropped_total", "Cumulative count of packets dropped while receiving", "interface"),
		containerCounter("network_transmit_bytes_total", "Cumulative count of bytes transmitted", "interface"),
		containerCounter("network_transmit_packets_total", "Cumulative count of packets transmitted", "interface"),
		containerCounter("network_transmit_errors_total", "Cumulative count of errors encountered while transmitting", "interface"),
		containerCounter("network_transmit_packets_dropped_total", "Cumulative count of packets dropped while transmitting", "interface"),
	}

	containerCreated  = containerGauge("creation_time_seconds", "Container creation time since unix epoch in seconds.")
	containerStart    = containerGauge("start_time_seconds", "Start time of the container since unix epoch in seconds.")
	containerLastSeen = containerGauge("last_seen", "Last time a container was seen by the exporter")
	containerHealthy  = containerGauge("health_state", "The result of the container's health check")

	machineCores  = gauge("machine_cpu_cores", "Number of logical CPU cores.")
	machineMemory = gauge("machine_memory_bytes", "Amount of memory installed on the machine.")
	machineSwap   = gauge("machine_swap_bytes", "Amount of swap memory available on the machine.")

	containerRestarts = gauge("foreshock_container_restarts",
		"How often the runtime has restarted the container; known for those of Docker, podman and Kubernetes, stopped ones included.", containerLabels()...)
	containerRunning  = gauge("foreshock_container_running", "Whether the container runs; known for those of Docker, podman and Kubernetes.", containerLabels()...)
	containerHealth   = gauge("foreshock_container_health", "Result of the health check: 1 for the one that holds, 0 for the others.", containerLabels("health")...)
	containersFound   = gauge("foreshock_containers", "Containers that were found on this host.")
	containersOmitted = gauge("foreshock_containers_omitted",
		"What was left out because of a limit: containers, devices and interfaces of containers; groups is 1 when the tree of control groups was too large to be looked at.", "what")
	runtimeUp = gauge("foreshock_container_runtime_up", "Whether the container runtime answers for names, images, restarts and health; only for sockets that exist.", "runtime", "socket")
)

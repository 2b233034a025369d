package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/exporter/collector"
)

// named are the metrics that others' lists and dashboards name. Names are facts; what is around them is not kept here.
var named = map[string]string{
	// dcgm-exporter, etc/default-counters.csv, with the lines that are switched off there.
	"dcgm-exporter": `DCGM_FI_DEV_SM_CLOCK DCGM_FI_DEV_MEM_CLOCK DCGM_FI_DEV_MEMORY_TEMP DCGM_FI_DEV_GPU_TEMP DCGM_FI_DEV_POWER_USAGE
		DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION DCGM_FI_DEV_PCIE_TX_THROUGHPUT DCGM_FI_DEV_PCIE_RX_THROUGHPUT DCGM_FI_DEV_PCIE_REPLAY_COUNTER
		DCGM_FI_DEV_GPU_UTIL DCGM_FI_DEV_MEM_COPY_UTIL DCGM_FI_DEV_ENC_UTIL DCGM_FI_DEV_DEC_UTIL DCGM_FI_DEV_XID_ERRORS DCGM_FI_DEV_POWER_VIOLATION
		DCGM_FI_DEV_THERMAL_VIOLATION DCGM_FI_DEV_SYNC_BOOST_VIOLATION DCGM_FI_DEV_BOARD_LIMIT_VIOLATION DCGM_FI_DEV_LOW_UTIL_VIOLATION
		DCGM_FI_DEV_RELIABILITY_VIOLATION DCGM_EXP_CLOCK_EVENTS_COUNT DCGM_EXP_XID_ERRORS_COUNT DCGM_EXP_GPU_HEALTH_STATUS DCGM_EXP_P2P_STATUS
		DCGM_FI_DEV_FB_FREE DCGM_FI_DEV_FB_USED DCGM_FI_DEV_FB_RESERVED DCGM_FI_DEV_FB_USED_PERCENT DCGM_FI_DEV_FB_TOTAL DCGM_FI_DEV_ECC_SBE_VOL_TOTAL
		DCGM_FI_DEV_ECC_DBE_VOL_TOTAL DCGM_FI_DEV_ECC_SBE_AGG_TOTAL DCGM_FI_DEV_ECC_DBE_AGG_TOTAL DCGM_FI_DEV_RETIRED_SBE DCGM_FI_DEV_RETIRED_DBE
		DCGM_FI_DEV_RETIRED_PENDING DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL
		DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL
		DCGM_FI_DEV_NVLINK_BANDWIDTH_L0 DCGM_FI_DEV_VGPU_LICENSE_STATUS DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS
		DCGM_FI_DEV_ROW_REMAP_FAILURE DCGM_FI_DRIVER_VERSION DCGM_FI_PROF_GR_ENGINE_ACTIVE DCGM_FI_PROF_SM_ACTIVE DCGM_FI_PROF_SM_OCCUPANCY
		DCGM_FI_PROF_PIPE_TENSOR_ACTIVE DCGM_FI_PROF_DRAM_ACTIVE DCGM_FI_PROF_PIPE_FP64_ACTIVE DCGM_FI_PROF_PIPE_FP32_ACTIVE DCGM_FI_PROF_PIPE_FP16_ACTIVE
		DCGM_FI_PROF_PCIE_TX_BYTES DCGM_FI_PROF_PCIE_RX_BYTES`,
	// grafana.com/grafana/dashboards/12239
	"NVIDIA DCGM Exporter Dashboard": `DCGM_FI_DEV_GPU_TEMP DCGM_FI_DEV_POWER_USAGE DCGM_FI_DEV_SM_CLOCK DCGM_FI_DEV_GPU_UTIL DCGM_FI_DEV_FB_USED
		DCGM_FI_PROF_PIPE_TENSOR_ACTIVE DCGM_FI_DEV_MEM_COPY_UTIL`,
	// cAdvisor, lib/metrics/prometheus.go, and what it had before.
	"cAdvisor": `cadvisor_version_info container_accelerator_duty_cycle container_accelerator_memory_total_bytes container_accelerator_memory_used_bytes
		container_blkio_device_usage_total container_cpu_cfs_burst_periods_total container_cpu_cfs_burst_seconds_total
		container_cpu_cfs_periods_total container_cpu_cfs_throttled_periods_total container_cpu_cfs_throttled_seconds_total
		container_cpu_load_average_10s container_cpu_load_d_average_10s container_cpu_schedstat_run_periods_total
		container_cpu_schedstat_run_seconds_total container_cpu_schedstat_runqueue_seconds_total container_cpu_system_seconds_total
		container_cpu_usage_seconds_total container_cpu_user_seconds_total container_creation_time_seconds container_file_descriptors
		container_fs_inodes_free container_fs_inodes_total container_fs_io_cost_indebt_seconds_total container_fs_io_cost_indelay_seconds_total
		container_fs_io_cost_usage_seconds_total container_fs_io_cost_wait_seconds_total container_fs_io_current container_fs_io_time_seconds_total
		container_fs_io_time_weighted_seconds_total container_fs_limit_bytes container_fs_read_seconds_total container_fs_reads_bytes_total
		container_fs_reads_merged_total container_fs_reads_total container_fs_sector_reads_total container_fs_sector_writes_total
		container_fs_usage_bytes container_fs_write_seconds_total container_fs_writes_bytes_total container_fs_writes_merged_total
		container_fs_writes_total container_health_state container_hugetlb_failcnt container_hugetlb_max_usage_bytes container_hugetlb_usage_bytes
		container_last_seen container_llc_occupancy_bytes container_memory_bandwidth_bytes container_memory_bandwidth_local_bytes
		container_memory_cache container_memory_events_high_total container_memory_events_max_total container_memory_failcnt
		container_memory_failures_total container_memory_file_dirty_bytes container_memory_file_writeback_bytes container_memory_kernel_usage
		container_memory_mapped_file container_memory_max_usage_bytes container_memory_migrate container_memory_numa_pages
		container_memory_pgscan_total container_memory_pgsteal_total container_memory_rss container_memory_swap
		container_memory_total_active_file_bytes container_memory_total_inactive_file_bytes container_memory_usage_bytes
		container_memory_working_set_bytes container_memory_workingset_refault_anon_total container_memory_workingset_refault_file_total
		container_network_advance_tcp_stats_total container_network_receive_bytes_total container_network_receive_errors_total
		container_network_receive_packets_dropped_total container_network_receive_packets_total container_network_tcp6_usage_total
		container_network_tcp_usage_total container_network_transmit_bytes_total container_network_transmit_errors_total
		container_network_transmit_packets_dropped_total container_network_transmit_packets_total container_network_udp6_usage_total
		container_network_udp_usage_total container_oom_events_total container_perf_events_scaling_ratio container_perf_events_total
		container_perf_uncore_events_scaling_ratio container_perf_uncore_events_total container_pressure_cpu_stalled_seconds_total
		container_pressure_cpu_waiting_seconds_total container_pressure_io_stalled_seconds_total container_pressure_io_waiting_seconds_total
		container_pressure_memory_stalled_seconds_total container_pressure_memory_waiting_seconds_total container_processes
		container_referenced_bytes container_scrape_error container_sockets container_spec_cpu_period container_spec_cpu_quota
		container_spec_cpu_shares container_spec_memory_limit_bytes container_spec_memory_reservation_limit_bytes
		container_spec_memory_swap_limit_bytes container_start_time_seconds container_tasks_state container_threads container_threads_max
		container_ulimits_soft`,
	// cAdvisor, lib/metrics/prometheus_machine.go
	"cAdvisor, machine": `machine_cpu_cores machine_cpu_physical_cores machine_cpu_sockets machine_cpu_books machine_cpu_drawers machine_memory_bytes
		machine_swap_bytes machine_dimm_count machine_dimm_capacity_bytes machine_nvm_capacity machine_nvm_avg_power_budget_watts
		machine_cpu_cache_capacity_bytes machine_thread_siblings_count machine_node_memory_capacity_bytes machine_node_hugepages_count
		machine_node_distance machine_scrape_error`,
	// github.com/kubernetes-monitoring/kubernetes-mixin: dashboards, recording rules and alerts that ask cAdvisor in the kubelet.
	"Kubernetes mixin": `container_cpu_usage_seconds_total container_cpu_cfs_throttled_periods_total container_cpu_cfs_periods_total
		container_memory_working_set_bytes container_memory_rss container_memory_cache container_memory_swap container_network_receive_bytes_total
		container_network_transmit_bytes_total container_network_receive_packets_total container_network_transmit_packets_total
		container_network_receive_packets_dropped_total container_network_transmit_packets_dropped_total container_fs_reads_total
		container_fs_writes_total container_fs_reads_bytes_total container_fs_writes_bytes_total machine_memory_bytes`,
	// grafana.com/grafana/dashboards/193 and 14282
	"Docker monitoring": `container_last_seen container_memory_usage_bytes container_cpu_user_seconds_total container_cpu_usage_seconds_total container_memory_rss
		container_memory_swap container_memory_cache container_network_receive_bytes_total container_network_transmit_bytes_total
		container_fs_reads_total container_fs_writes_total container_spec_memory_limit_bytes container_start_time_seconds machine_memory_bytes
		machine_cpu_cores`,
	"Cadvisor exporter": `container_cpu_usage_seconds_total container_memory_rss container_memory_cache container_network_receive_bytes_total
		container_network_transmit_bytes_total container_start_time_seconds container_spec_memory_limit_bytes container_memory_usage_bytes
		container_last_seen`,
}

// published are the names of every collector's families.
func published(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, n := range collector.Collectors.Names() {
		e, err := collector.Collectors.Get(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range e.New().(collector.Describer).Families() {
			out[f.Name] = true
		}
	}
	return out
}

// absent are the names of docs/metrics-absent.md with their reasons.
func absent(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../docs/metrics-absent.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Za-z0-9_]+)` \\| (.+) \\|$").FindAllStringSubmatch(string(b), -1) {
		if out[m[1]] != "" {
			t.Errorf("docs/metrics-absent.md lists %s twice", m[1])
		}
		out[m[1]] = m[2]
	}
	return out
}

// TestAbsent: every metric that others name is published, or listed as absent with the reason; none is both.
func TestAbsent(t *testing.T) {
	t.Parallel()
	have, lacks := published(t), absent(t)
	for list, names := range named {
		for _, n := range strings.Fields(names) {
			if !have[n] && lacks[n] == "" {
				t.Errorf("%s names %s, which is neither published nor listed as absent", list, n)
			}
		}
	}
	scrape, err := os.ReadFile("testdata/golden/scrape.prom")
	if err != nil {
		t.Fatal(err)
	}
	for n := range lacks {
		if have[n] || regexp.MustCompile(`(?m)^`+n+`[ {]`).Match(scrape) {
			t.Errorf("%s is published and listed as absent", n)
		}
	}
	for n := range have { // what needs DCGM's profiling cannot be told, whatever its name
		if strings.HasPrefix(n, "DCGM_FI_PROF_") {
			t.Errorf("%s: NVML does not tell that", n)
		}
	}
}

// TestRootGroup: what dashboards of cAdvisor ask of the whole host, with id="/", is published with that label, or the name is listed as absent.
func TestRootGroup(t *testing.T) {
	t.Parallel()
	// Asked for by grafana.com/grafana/dashboards/193 and 315 and their kin; what belongs to disks has a group of its own only where the root has devices.
	const asked = `container_network_receive_bytes_total container_network_transmit_bytes_total container_network_receive_errors_total
		container_network_transmit_errors_total container_network_receive_packets_total container_network_transmit_packets_total
		container_network_receive_packets_dropped_total container_network_transmit_packets_dropped_total
		container_memory_usage_bytes container_memory_working_set_bytes container_memory_swap container_spec_memory_limit_bytes
		container_cpu_usage_seconds_total container_cpu_user_seconds_total container_cpu_system_seconds_total container_fs_usage_bytes
		container_fs_limit_bytes container_last_seen container_start_time_seconds`
	scrape, err := os.ReadFile("testdata/golden/scrape.prom")
	if err != nil {
		t.Fatal(err)
	}
	lacks := absent(t)
	for _, n := range strings.Fields(asked) {
		if there := regexp.MustCompile(`(?m)^` + n + `\{([^}]*,)?id="/"[,}]`).Match(scrape); there == (lacks[n] != "") {
			t.Errorf("%s{id=\"/\"}: in the scrape: %t, listed as absent: %q", n, there, lacks[n])
		}
	}
}

// TestDashboardsOfHosts: the dashboards that ship name only what is published.
func TestDashboardsOfHosts(t *testing.T) {
	t.Parallel()
	have := published(t)
	metric := regexp.MustCompile(`\b(DCGM_FI_\w+|foreshock_gpu_\w+|foreshock_container_\w+|container_\w+|foreshock_log_\w+)[{)\[ ]`)
	for _, name := range []string{"gpu.json", "containers.json", "logs-overview.json"} {
		b, err := os.ReadFile(filepath.Join("../dashboards", name))
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, m := range metric.FindAllStringSubmatch(string(b), -1) {
			found = append(found, m[1])
			if !have[m[1]] {
				t.Errorf("%s names %s, which is not published", name, m[1])
			}
		}
		slices.Sort(found)
		if n := len(slices.Compact(found)); n < 15 {
			t.Errorf("%s: only %d metrics were found", name, n)
		}
	}
}

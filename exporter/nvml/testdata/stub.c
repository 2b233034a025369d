// A stand-in for libnvidia-ml.so.1. The compiler holds it to the signatures of NVIDIA's nvml.h, which comes with the binding (-I its folder).
// It does what the file named by NVML_STUB_SCRIPT says, read anew at each call: lines "key value"; a value is a number, a text, or "!N" for the
// NVML error N. A line that is missing is error 3 (not supported).
//   init, shutdown, count, driver, wait      whole library; wait: what waiting for an event answers
//   hang                                     seconds that nvmlDeviceGetUtilizationRates takes
//   N.handle                                 "!15": GPU N is lost
//   N.uuid N.name N.pci N.minor              identity
//   N.total N.used N.free N.reserved         memory in MiB
//   N.field.ID, N.field.ID.SCOPE             nvmlDeviceGetFieldValues
//   N.events                                 "!4": the GPU reports no events
//   N.compute, N.graphics                    processes: "pid:MiB[:instance] …"
//   N.mig                                    1: there are instances, "N.mig.I" = GPU instance number; their values are N.mig.I.…
//   N.…                                      the other functions, see below
// Events are lines "N xid" of the file NVML_STUB_EVENTS; each is delivered once. Each start and end of the library goes to NVML_STUB_LOG.
// -DNO_X leaves out functions, as older drivers do; -DOLD all that came after the first drivers.
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <nvml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef OLD
#define NO_FIELDS
#define NO_EVENTS
#define NO_PROCESSES
#define NO_MIG
#define NO_CLOCK_REASONS
#define NO_CALLS
#endif

struct nvmlDevice_st { char name[32]; };
static struct nvmlDevice_st devices[16], instances[16][8];

static nvmlReturn_t find(const char *key, char *out, size_t n) {
	const char *path = getenv("NVML_STUB_SCRIPT");
	FILE *f = path ? fopen(path, "r") : NULL;
	char line[512];
	size_t k = strlen(key);
	if (!f) return NVML_ERROR_UNKNOWN;
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, key, k) == 0 && line[k] == ' ') {
			fclose(f);
			if (line[k + 1] == '!') return atoi(line + k + 2);
			snprintf(out, n, "%s", line + k + 1);
			return NVML_SUCCESS;
		}
	}
	fclose(f);
	return NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t find_of(nvmlDevice_t d, const char *key, char *out, size_t n) {
	char full[96];
	snprintf(full, sizeof full, "%s.%s", d.handle->name, key);
	return find(full, out, n);
}

static void note(const char *what) {
	const char *path = getenv("NVML_STUB_LOG");
	FILE *f = path ? fopen(path, "a") : NULL;
	if (f) { fprintf(f, "%s\n", what); fclose(f); }
}

static nvmlReturn_t number(nvmlDevice_t d, const char *key, unsigned long long *out) {
	char text[256];
	nvmlReturn_t r = find_of(d, key, text, sizeof text);
	*out = 0;
	if (r == NVML_SUCCESS) *out = strtoull(text, NULL, 10);
	return r;
}

static nvmlReturn_t whole(const char *key) {
	char text[256];
	nvmlReturn_t r = find(key, text, sizeof text);
	return r == NVML_ERROR_NOT_SUPPORTED ? NVML_SUCCESS : r;
}

static nvmlReturn_t whole_of(nvmlDevice_t d, const char *key) {
	char text[256];
	nvmlReturn_t r = find_of(d, key, text, sizeof text);
	return r == NVML_ERROR_NOT_SUPPORTED ? NVML_SUCCESS : r;
}

// TELL makes a function that tells one number under a key.
#define TELL(function, type, key) \
	nvmlReturn_t function(nvmlDevice_t d, type *out) { \
		unsigned long long v; \
		nvmlReturn_t r = number(d, key, &v); \
		if (r == NVML_SUCCESS) *out = (type)v; \
		return r; \
	}

#ifndef NO_INIT
nvmlReturn_t nvmlInit_v2(void) { note("init"); return whole("init"); }
#endif
nvmlReturn_t nvmlShutdown(void) { note("shutdown"); return whole("shutdown"); }

#ifndef NO_ERROR_STRING
const char *nvmlErrorString(nvmlReturn_t r) { return r == NVML_ERROR_DRIVER_NOT_LOADED ? "Driver Not Loaded" : "an error"; }
#endif

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *n) {
	char text[256];
	nvmlReturn_t r = find("count", text, sizeof text);
	if (r == NVML_SUCCESS) *n = atoi(text);
	return r;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned i, nvmlDevice_t *d) {
	char text[256], key[64];
	snprintf(key, sizeof key, "%u.handle", i);
	nvmlReturn_t r = find(key, text, sizeof text);
	snprintf(devices[i].name, sizeof devices[i].name, "%u", i);
	d->handle = &devices[i];
	return r == NVML_ERROR_NOT_SUPPORTED ? NVML_SUCCESS : r;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t d, char *out, unsigned n) { return find_of(d, "uuid", out, n); }
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char *out, unsigned n) { return find_of(d, "name", out, n); }
nvmlReturn_t nvmlSystemGetDriverVersion(char *out, unsigned n) { return find("driver", out, n); }

#ifndef NO_MINOR
TELL(nvmlDeviceGetMinorNumber, unsigned, "minor")
#endif

#ifndef NO_PCI
nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t d, nvmlPciInfo_t *out) { return find_of(d, "pci", out->busId, sizeof out->busId); }
#endif

#ifndef NO_UTIL
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t *out) {
	unsigned long long v;
	char text[64];
	if (find("hang", text, sizeof text) == NVML_SUCCESS) sleep(atoi(text));
	nvmlReturn_t r = number(d, "util", &v);
	if (r == NVML_SUCCESS) out->gpu = v, number(d, "memory_util", &v), out->memory = v;
	return r;
}
#endif

static nvmlReturn_t memory(nvmlDevice_t d, unsigned long long *total, unsigned long long *used, unsigned long long *freed) {
	nvmlReturn_t r = number(d, "total", total);
	if (r == NVML_SUCCESS) r = number(d, "used", used);
	if (r == NVML_SUCCESS) r = number(d, "free", freed);
	*total <<= 20, *used <<= 20, *freed <<= 20;
	return r;
}
#ifndef NO_MEMORY_V2
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t d, nvmlMemory_v2_t *out) {
	if (out->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	number(d, "reserved", &out->reserved);
	out->reserved <<= 20;
	return memory(d, &out->total, &out->used, &out->free);
}
#endif
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *out) {
	nvmlReturn_t r = memory(d, &out->total, &out->used, &out->free);
	out->used = out->total - out->free; // the old form counts what the driver reserves as used
	return r;
}

#ifndef NO_TEMPERATURE
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t d, nvmlTemperatureSensors_t sensor, unsigned *out) {
	unsigned long long v;
	nvmlReturn_t r = number(d, "temp", &v);
	if (r == NVML_SUCCESS) *out = v;
	return sensor == NVML_TEMPERATURE_GPU ? r : NVML_ERROR_INVALID_ARGUMENT;
}
#endif
nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t d, nvmlTemperature_t *out) {
	unsigned long long v;
	nvmlReturn_t r = number(d, "temp", &v);
	if (r == NVML_SUCCESS) out->temperature = v;
	return r;
}

#ifndef NO_POWER
TELL(nvmlDeviceGetPowerUsage, unsigned, "power")
#endif

#ifndef NO_FIELDS
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t d, int n, nvmlFieldValue_t *values) {
	nvmlReturn_t all = whole_of(d, "fields");
	for (int i = 0; i < n && all == NVML_SUCCESS; i++) {
		char key[64], text[64];
		if (values[i].scopeId) snprintf(key, sizeof key, "field.%u.%u", values[i].fieldId, values[i].scopeId);
		else snprintf(key, sizeof key, "field.%u", values[i].fieldId);
		values[i].nvmlReturn = find_of(d, key, text, sizeof text);
		if (values[i].nvmlReturn != NVML_SUCCESS) continue;
		// "d:", "u:", "s:", "h:" choose another type than unsigned long long.
		if (text[0] == 'd') values[i].valueType = NVML_VALUE_TYPE_DOUBLE, values[i].value.dVal = atof(text + 2);
		else if (text[0] == 'u') values[i].valueType = NVML_VALUE_TYPE_UNSIGNED_INT, values[i].value.uiVal = strtoul(text + 2, NULL, 10);
		else if (text[0] == 's') values[i].valueType = NVML_VALUE_TYPE_SIGNED_INT, values[i].value.siVal = atoi(text + 2);
		else if (text[0] == 'h') values[i].valueType = NVML_VALUE_TYPE_UNSIGNED_SHORT, values[i].value.usVal = atoi(text + 2);
		else values[i].valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, values[i].value.ullVal = strtoull(text, NULL, 10);
	}
	return all;
}
#endif

#ifndef NO_CALLS
TELL(nvmlDeviceGetEnforcedPowerLimit, unsigned, "power_limit")
TELL(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, "energy")
TELL(nvmlDeviceGetFanSpeed, unsigned, "fan")
TELL(nvmlDeviceGetPerformanceState, nvmlPstates_t, "pstate")
TELL(nvmlDeviceGetCurrPcieLinkGeneration, unsigned, "pcie_generation")
TELL(nvmlDeviceGetCurrPcieLinkWidth, unsigned, "pcie_width")
TELL(nvmlDeviceGetPcieReplayCounter, unsigned, "pcie_replay")
nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t d, nvmlClockType_t type, unsigned *out) {
	unsigned long long v;
	nvmlReturn_t r = number(d, type == NVML_CLOCK_SM ? "sm_clock" : type == NVML_CLOCK_MEM ? "memory_clock" : type == NVML_CLOCK_VIDEO ? "video_clock" : "?", &v);
	if (r == NVML_SUCCESS) *out = v;
	return r;
}
nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t d, nvmlClockType_t type, unsigned *out) {
	unsigned long long v;
	nvmlReturn_t r = number(d, type == NVML_CLOCK_SM ? "max_sm_clock" : "?", &v);
	if (r == NVML_SUCCESS) *out = v;
	return r;
}
nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t d, unsigned *out, unsigned *period) {
	unsigned long long v;
	nvmlReturn_t r = number(d, "encoder", &v);
	if (r == NVML_SUCCESS) *out = v, *period = 1000000;
	return r;
}
nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t d, unsigned *out, unsigned *period) {
	unsigned long long v;
	nvmlReturn_t r = number(d, "decoder", &v);
	if (r == NVML_SUCCESS) *out = v, *period = 1000000;
	return r;
}
nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t d, nvmlTemperatureThresholds_t which, unsigned *out) {
	unsigned long long v;
	nvmlReturn_t r = number(d, which == NVML_TEMPERATURE_THRESHOLD_SLOWDOWN ? "slowdown" : "shutdown", &v);
	if (r == NVML_SUCCESS) *out = v;
	return r;
}
nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t d, nvmlMemoryErrorType_t type, nvmlEccCounterType_t life, unsigned long long *out) {
	char key[32];
	snprintf(key, sizeof key, "ecc.%d.%d", type, life);
	return number(d, key, out);
}
nvmlReturn_t nvmlDeviceGetViolationStatus(nvmlDevice_t d, nvmlPerfPolicyType_t policy, nvmlViolationTime_t *out) {
	char key[32];
	snprintf(key, sizeof key, "violation.%d", policy);
	return number(d, key, &out->violationTime);
}
nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t d, unsigned *correctable, unsigned *uncorrectable, unsigned *pending, unsigned *failed) {
	char text[64];
	nvmlReturn_t r = find_of(d, "remapped", text, sizeof text);
	if (r == NVML_SUCCESS) sscanf(text, "%u %u %u %u", correctable, uncorrectable, pending, failed);
	return r;
}
#endif

#ifndef NO_CLOCK_REASONS
TELL(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, "clock_reasons")
#endif
TELL(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, "clock_reasons")

#ifndef NO_PROCESSES
static nvmlReturn_t processes(nvmlDevice_t d, const char *key, unsigned *n, nvmlProcessInfo_t *out) {
	char text[256];
	unsigned room = *n;
	nvmlReturn_t r = find_of(d, key, text, sizeof text);
	*n = 0;
	if (r != NVML_SUCCESS) return r;
	for (char *p = strtok(text, " "); p; p = strtok(NULL, " ")) {
		unsigned pid, instance = 0xFFFFFFFF;
		long long mib;
		sscanf(p, "%u:%lld:%u", &pid, &mib, &instance);
		if (*n < room) out[*n].pid = pid, out[*n].usedGpuMemory = mib < 0 ? ~0ULL : (unsigned long long)mib << 20, out[*n].gpuInstanceId = instance;
		++*n;
	}
	return *n > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t d, unsigned *n, nvmlProcessInfo_t *out) { return processes(d, "compute", n, out); }
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t d, unsigned *n, nvmlProcessInfo_t *out) { return processes(d, "graphics", n, out); }
#endif

#ifndef NO_MIG
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t d, unsigned *now, unsigned *next) {
	unsigned long long v;
	nvmlReturn_t r = number(d, "mig", &v);
	*now = *next = v;
	return r;
}
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t d, unsigned *n) { (void)d; *n = 7; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t d, unsigned i, nvmlDevice_t *out) {
	char key[64], text[64];
	struct nvmlDevice_st *s = &instances[d.handle - devices][i];
	snprintf(key, sizeof key, "mig.%u", i);
	nvmlReturn_t r = find_of(d, key, text, sizeof text);
	if (r != NVML_SUCCESS) return NVML_ERROR_NOT_FOUND;
	snprintf(s->name, sizeof s->name, "%.16s.mig.%u", d.handle->name, i);
	out->handle = s;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t d, unsigned *out) {
	char text[64];
	nvmlReturn_t r = find(d.handle->name, text, sizeof text);
	if (r == NVML_SUCCESS) *out = atoi(text);
	return r;
}
#endif

#ifndef NO_EVENTS
static struct nvmlEventSet_st { long at; } events;
nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) { set->handle = &events; note("events"); return NVML_SUCCESS; }
nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) { (void)set; note("no events"); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t d, unsigned long long types, nvmlEventSet_t set) {
	(void)set;
	return types == nvmlEventTypeXidCriticalError ? whole_of(d, "events") : NVML_ERROR_INVALID_ARGUMENT;
}
nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *out, unsigned timeout) {
	const char *path = getenv("NVML_STUB_EVENTS");
	char text[64];
	if (find("wait_hang", text, sizeof text) == NVML_SUCCESS) sleep(atoi(text));
	for (unsigned waited = 0;; waited += 5) {
		nvmlReturn_t r = whole("wait");
		if (r != NVML_SUCCESS) return r;
		FILE *f = path ? fopen(path, "r") : NULL;
		unsigned gpu;
		unsigned long long xid;
		if (f) {
			fseek(f, set.handle->at, SEEK_SET);
			int got = fscanf(f, "%u %llu\n", &gpu, &xid);
			long at = ftell(f);
			fclose(f);
			if (got == 2) {
				set.handle->at = at;
				out->device.handle = &devices[gpu], out->eventType = nvmlEventTypeXidCriticalError, out->eventData = xid;
				return NVML_SUCCESS;
			}
		}
		if (waited >= timeout) return NVML_ERROR_TIMEOUT;
		usleep(5000);
	}
}
#endif

// A stand-in for libnvidia-ml.so.1 with the signatures of nvml.h. It does what the file named by NVML_STUB_SCRIPT says, read anew at each call:
// lines "key value"; a value is a number, a text, or "!N" for the NVML error N. A line that is missing is error 3 (not supported).
//   init, shutdown, count                         whole library
//   N.handle                                      "!15": GPU N is lost
//   N.uuid N.name N.pci N.minor                   identity
//   N.util N.temp N.power N.total N.used N.free   values; power in mW, memory in MiB
// Each call that starts or stops the library is appended to the file NVML_STUB_LOG.
// -DNO_X leaves out the function X, as older drivers do.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int ret_t;
typedef struct { int index; } *dev_t_;
static struct { int index; } devices[16];

static int find(const char *key, char *out, size_t n) {
	const char *path = getenv("NVML_STUB_SCRIPT");
	FILE *f = path ? fopen(path, "r") : NULL;
	char line[512];
	size_t k = strlen(key);
	if (!f) return 999;
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, key, k) == 0 && line[k] == ' ') {
			fclose(f);
			if (line[k + 1] == '!') return atoi(line + k + 2);
			snprintf(out, n, "%s", line + k + 1);
			return 0;
		}
	}
	fclose(f);
	return 3;
}

static int find_of(void *d, const char *key, char *out, size_t n) {
	char full[64];
	snprintf(full, sizeof full, "%d.%s", ((dev_t_)d)->index, key);
	return find(full, out, n);
}

static void note(const char *what) {
	const char *path = getenv("NVML_STUB_LOG");
	FILE *f = path ? fopen(path, "a") : NULL;
	if (f) { fprintf(f, "%s\n", what); fclose(f); }
}

static ret_t number(void *d, const char *key, unsigned long long *out) {
	char text[256];
	int r = find_of(d, key, text, sizeof text);
	*out = 0;
	if (r == 0) *out = strtoull(text, NULL, 10);
	return r;
}

static ret_t whole(const char *key) {
	char text[256];
	int r = find(key, text, sizeof text);
	return r == 3 ? 0 : r;
}

#ifndef NO_INIT
ret_t nvmlInit_v2(void) { note("init"); return whole("init"); }
#endif
ret_t nvmlShutdown(void) { note("shutdown"); return whole("shutdown"); }

#ifndef NO_ERROR_STRING
const char *nvmlErrorString(ret_t r) { return r == 9 ? "Driver Not Loaded" : "an error"; }
#endif

ret_t nvmlDeviceGetCount_v2(unsigned *n) {
	char text[256];
	int r = find("count", text, sizeof text);
	if (r == 0) *n = atoi(text);
	return r;
}

ret_t nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) {
	char text[256], key[64];
	snprintf(key, sizeof key, "%u.handle", i);
	int r = find(key, text, sizeof text);
	devices[i].index = i;
	*d = &devices[i];
	return r == 3 ? 0 : r;
}

ret_t nvmlDeviceGetUUID(void *d, char *out, unsigned n) { return find_of(d, "uuid", out, n); }
ret_t nvmlDeviceGetName(void *d, char *out, unsigned n) { return find_of(d, "name", out, n); }

#ifndef NO_MINOR
ret_t nvmlDeviceGetMinorNumber(void *d, unsigned *out) {
	unsigned long long v;
	ret_t r = number(d, "minor", &v);
	if (r == 0) *out = v;
	return r;
}
#endif

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } pci_t;
#ifndef NO_PCI
ret_t nvmlDeviceGetPciInfo_v3(void *d, pci_t *out) { return find_of(d, "pci", out->bus_id, sizeof out->bus_id); }
#endif

#ifndef NO_UTIL
typedef struct { unsigned gpu, memory; } util_t;
ret_t nvmlDeviceGetUtilizationRates(void *d, util_t *out) {
	unsigned long long v;
	ret_t r = number(d, "util", &v);
	if (r == 0) out->gpu = v;
	return r;
}
#endif

static ret_t memory(void *d, unsigned long long *total, unsigned long long *used, unsigned long long *freed) {
	ret_t r = number(d, "total", total);
	if (r == 0) r = number(d, "used", used);
	if (r == 0) r = number(d, "free", freed);
	*total <<= 20, *used <<= 20, *freed <<= 20;
	return r;
}
#ifndef NO_MEMORY_V2
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory2_t;
ret_t nvmlDeviceGetMemoryInfo_v2(void *d, memory2_t *out) {
	if (out->version != (sizeof(memory2_t) | 2 << 24)) return 25;
	return memory(d, &out->total, &out->used, &out->free);
}
#endif
typedef struct { unsigned long long total, free, used; } memory1_t;
ret_t nvmlDeviceGetMemoryInfo(void *d, memory1_t *out) {
	ret_t r = memory(d, &out->total, &out->used, &out->free);
	out->used = out->total - out->free; // the old form counts what the driver reserves as used
	return r;
}

#ifndef NO_TEMPERATURE
ret_t nvmlDeviceGetTemperature(void *d, int sensor, unsigned *out) {
	unsigned long long v;
	ret_t r = number(d, "temp", &v);
	if (r == 0) *out = v;
	return sensor == 0 ? r : 2;
}
#endif
typedef struct { unsigned version; int sensor, temperature; } temperature_t;
ret_t nvmlDeviceGetTemperatureV(void *d, temperature_t *out) {
	unsigned long long v;
	ret_t r = number(d, "temp", &v);
	if (r == 0) out->temperature = v;
	return r;
}

#ifndef NO_POWER
ret_t nvmlDeviceGetPowerUsage(void *d, unsigned *out) {
	unsigned long long v;
	ret_t r = number(d, "power", &v);
	if (r == 0) *out = v;
	return r;
}
#endif

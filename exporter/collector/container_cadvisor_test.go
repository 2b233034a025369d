package collector

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// notAsCadvisor are the families whose values may differ from cAdvisor's, and why.
var notAsCadvisor = map[string]string{
	"container_last_seen":               "the time of the scrape",
	"container_memory_failures_total":   "with version 1 cAdvisor gives the group's own faults for those of the hierarchy too",
	"container_memory_file_dirty_bytes": "with version 1 cAdvisor has 0",
	"container_health_state":            "here only of containers that a runtime knows",
	"container_network_":                "of a pod: here with the pod, as the kubelet has it, and not for the network of the host",
	"container_fs_":                     "with version 1 cAdvisor gives the file system of the host for the root",
	"container_pressure_":               "with version 1 cAdvisor has 0",
}

// TestBesideCadvisor compares with a running cAdvisor, asked before and after: FORESHOCK_CADVISOR=http://127.0.0.1:8080/metrics. FORESHOCK_DOCKER and
// FORESHOCK_CRI name the sockets that it was given.
func TestBesideCadvisor(t *testing.T) {
	t.Parallel()
	url := os.Getenv("FORESHOCK_CADVISOR")
	if url == "" {
		t.Skip("compares with a running cAdvisor; set FORESHOCK_CADVISOR to the address of its metrics")
	}
	e, err := Collectors.Get("container")
	if err != nil {
		t.Fatal(err)
	}
	c := e.New().(*containers)
	c.DockerSockets, c.CRISockets = os.Getenv("FORESHOCK_DOCKER"), os.Getenv("FORESHOCK_CRI")
	if err := c.Open(ThisHost(quiet())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	differs := map[string]string{}
	all, groups, families := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for round := range 5 { // both take their samples when they like: what differs each time differs
		now := map[string]string{}
		for key, pair := range besideCadvisor(t, c, url) {
			name, _, _ := strings.Cut(key, "{")
			all[key], groups[pair.id], families[name] = true, true, true
			if pair.got < pair.low || pair.got > pair.high {
				if _, ok := differs[key]; ok || round == 0 {
					now[key] = fmt.Sprintf("%s: got %v, cAdvisor has %v to %v", key, pair.got, pair.low, pair.high)
				}
			}
		}
		differs = now
		if len(differs) == 0 {
			break
		}
		time.Sleep(3 * time.Second)
	}
	for _, text := range differs {
		t.Error(text)
	}
	t.Logf("%d series of %d families of %d groups are as cAdvisor's, %d are not", len(all)-len(differs), len(families), len(groups), len(differs))
	if len(all) == 0 {
		t.Error("nothing to compare")
	}
}

// compared is a value, and between what cAdvisor's lie with some slack.
type compared struct {
	id             string
	got, low, high float64
}

// besideCadvisor asks cAdvisor before and after, and returns what both have.
func besideCadvisor(t *testing.T, c *containers, url string) map[string]compared {
	t.Helper()
	before := cadvisor(t, url)
	raw, err := sent(t, c)
	if err != nil {
		t.Fatal(err)
	}
	after := cadvisor(t, url)
	ours := map[string]float64{}
	for key, v := range raw {
		name, labels, _ := strings.Cut(strings.TrimSuffix(key, "}"), "{")
		pairs := map[string]string{}
		for pair := range strings.SplitSeq(labels, ",") {
			k, v, _ := strings.Cut(pair, "=")
			pairs[k] = v
		}
		ours[sameName(name, pairs)] += v
	}
	out := map[string]compared{}
	for key, to := range after {
		name, _, _ := strings.Cut(key, "{")
		got, ok := ours[key] // docs/metrics-absent.md lists what there is not, and a test compares it with the dashboards
		if !ok || !strings.HasPrefix(name, "container_") || slices.ContainsFunc(slices.Collect(maps.Keys(notAsCadvisor)), func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		from, ok := before[key]
		if !ok {
			from = to
		}
		low, high := min(from.value, to.value), max(from.value, to.value)
		slack := 0.02*high + 0.05
		if strings.HasPrefix(name, "container_memory_") {
			slack += 1 << 20 // version 1 counts memory in batches of 64 pages for each CPU
		}
		out[key] = compared{to.id, got, low - slack, high + slack}
	}
	return out
}

// cadvisorSample is a value, and the group that it is of.
type cadvisorSample struct {
	id    string
	value float64
}

// cadvisor reads its metrics, those of each CPU as a sum.
func cadvisor(t *testing.T, url string) map[string]cadvisorSample {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]cadvisorSample{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			key := sameName(name, labels)
			out[key] = cadvisorSample{labels["id"], out[key].value + m.GetCounter().GetValue() + m.GetGauge().GetValue()}
		}
	}
	return out
}

// sameName names a series by what both have: cAdvisor gives CPU time by CPU, the image of what holds a pod together, and Docker's labels to all.
func sameName(name string, labels map[string]string) string {
	var keep []string
	for _, k := range []string{"device", "failure_type", "id", "interface", "name", "operation", "scope"} {
		if labels[k] != "" {
			keep = append(keep, k+"="+labels[k])
		}
	}
	return fmt.Sprintf("%s{%s}", name, strings.Join(keep, ","))
}

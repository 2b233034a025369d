package scorer

import (
	"fmt"
	"strconv"
	"strings"

	io_prometheus_client "github.com/prometheus/client_model/go"

	"github.com/foreshock/foreshock/pkg/series"
)

// exported is put before a source label that a label of the scorer takes the name of, as Prometheus does when it scrapes.
const exported = "exported_"

// published returns the labels of the published series: those of the source without its name, and on top the rule's own, rule, and replica
// when there is one. A source label whose name is taken becomes exported_<name>.
func published(source series.Labels, own map[string]string) series.Labels {
	m := map[string]string{}
	for k, v := range own {
		m[k] = v
	}
	out := map[string]string{}
	for _, l := range source { // sorted by name: the outcome does not depend on chance
		if l.Name == "__name__" {
			continue
		}
		name := l.Name
		for {
			_, own := m[name]
			_, twice := out[name]
			clash := name != l.Name && source.Get(name) != ""
			if !own && !twice && !clash {
				break
			}
			name = exported + name
		}
		out[name] = l.Value
	}
	for k, v := range m {
		out[k] = v
	}
	return series.FromMap(out)
}

// ownLabels are those that the scorer adds to every series of a rule.
func ownLabels(r Rule, replica string) map[string]string {
	own := map[string]string{"rule": r.Name}
	for k, v := range r.Labels {
		own[k] = v
	}
	if replica != "" {
		own["replica"] = replica
	}
	return own
}

// pairs returns labels in the form of the exposition, sorted by name.
func pairs(labels series.Labels) []*io_prometheus_client.LabelPair {
	out := make([]*io_prometheus_client.LabelPair, len(labels))
	for i := range labels {
		out[i] = &io_prometheus_client.LabelPair{Name: &labels[i].Name, Value: &labels[i].Value}
	}
	return out
}

// Shard is a part of the series: those whose label hash leaves Index when divided by Count. The zero Shard is all of them.
type Shard struct{ Index, Count int }

// ParseShard reads "0/2": part 0 of 2.
func ParseShard(s string) (Shard, error) {
	a, b, ok := strings.Cut(s, "/")
	i, err1 := strconv.Atoi(a)
	n, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || n < 1 || i < 0 || i >= n {
		return Shard{}, fmt.Errorf("shard: got %q, want i/n with i from 0 to n−1, such as 0/2", s)
	}
	return Shard{i, n}, nil
}

// String returns the form that ParseShard reads.
func (s Shard) String() string { return strconv.Itoa(s.Index) + "/" + strconv.Itoa(max(s.Count, 1)) }

// has reports whether the series with those labels belongs to the shard. The bits of the hash are mixed first: the same hash spreads the
// anchors of the fits, and a shard is to have anchors at all times.
func (s Shard) has(labels series.Labels) bool {
	if s.Count <= 1 {
		return true
	}
	return int(mixed(labels)%uint64(s.Count)) == s.Index
}

// mixed is the hash of labels with its bits mixed.
func mixed(labels series.Labels) uint64 {
	h := labels.Hash()
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd // finaliser of MurmurHash3
	return h ^ h>>33
}

// isGap reports a missing sample.
func isGap(x float64) bool { return x != x }

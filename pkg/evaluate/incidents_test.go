package evaluate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/series"
)

// A past case concerns a series when nothing that both say of themselves differs, and something is the same.
func TestIncidentsAbout(t *testing.T) {
	t.Parallel()
	of := func(from int64, labels ...string) PastCase {
		m := map[string]string{}
		for i := 0; i < len(labels); i += 2 {
			m[labels[i]] = labels[i+1]
		}
		return PastCase{Incident{from, from + 10}, series.FromMap(m)}
	}
	told := []PastCase{of(50, "service", "api", "alertname", "Down"), of(10, "service", "api", "zone", "a"), of(30, "service", "db"), of(70, "alertname", "Other"), of(55, "service", "api")}
	for _, c := range []struct {
		labels map[string]string
		want   []Incident
	}{
		{map[string]string{"__name__": "up", "service": "api"}, []Incident{{10, 20}, {50, 65}}},
		{map[string]string{"service": "api", "zone": "b"}, []Incident{{50, 65}}},
		{map[string]string{"service": "web"}, []Incident{}},
		{map[string]string{"host": "h"}, []Incident{}},
		{map[string]string{"__name__": "sum"}, []Incident{{10, 20}, {30, 40}, {50, 65}, {70, 80}}},
	} {
		if diff := cmp.Diff(c.want, Joined(IncidentsAbout(series.FromMap(c.labels), told))); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.labels, diff)
		}
	}
}

package scorer

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/series"
)

func TestPublishedLabels(t *testing.T) {
	t.Parallel()
	own := map[string]string{"rule": "r", "team": "shop", "replica": "a"}
	for _, c := range []struct{ source, want map[string]string }{
		{map[string]string{"__name__": "up", "job": "x"}, map[string]string{"job": "x"}},
		{map[string]string{"rule": "theirs", "job": "x"}, map[string]string{"job": "x", "exported_rule": "theirs"}},
		{map[string]string{"rule": "theirs", "exported_rule": "older"}, map[string]string{"exported_exported_rule": "theirs", "exported_rule": "older"}},
		{map[string]string{"team": "t", "replica": "b"}, map[string]string{"exported_team": "t", "exported_replica": "b"}},
	} {
		want := c.want
		for k, v := range own {
			want[k] = v
		}
		got := published(series.FromMap(c.source), own).Map()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.source, diff)
		}
	}
}

// No value is lost and no two sources become one, whatever the labels are called.
func TestPublishedLabelsAreUnique(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	names := []string{"rule", "exported_rule", "exported_exported_rule", "team", "exported_team", "job", "replica", "exported_replica"}
	for range 2000 {
		own := map[string]string{"rule": "r", "replica": "a"}
		if rng.IntN(2) == 0 {
			own["team"] = "shop"
		}
		source := map[string]string{}
		for _, n := range names {
			if rng.IntN(2) == 0 {
				source[n] = fmt.Sprint("v-", n)
			}
		}
		got := published(series.FromMap(source), own)
		if len(got) != len(source)+len(own) {
			t.Fatalf("%v with %v: got %v, want %d labels", source, own, got, len(source)+len(own))
		}
		for k, v := range own {
			if got.Get(k) != v {
				t.Fatalf("%v with %v: got %s=%q, want the scorer's own", source, own, k, got.Get(k))
			}
		}
		if again := published(series.FromMap(source), own); !again.Equal(got) {
			t.Fatalf("%v: got %v, then %v", source, got, again)
		}
	}
}

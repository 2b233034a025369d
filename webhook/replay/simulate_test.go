package replay_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/replay"
)

// rules are the defaults of a configuration with one channel.
func rules() policy.Rules {
	r := policy.DefaultRules("chat")
	r.Noise = policy.DefaultNoise()
	return r
}

// On every seed at least 90 % fewer messages than Alertmanager alone, and no
// problem of its own that nobody is told of. FORESHOCK_NOISE_SEEDS=20 runs twenty
// of them, some five seconds each; without it one is run.
func TestNoise(t *testing.T) {
	seeds := uint64(1)
	if text := os.Getenv("FORESHOCK_NOISE_SEEDS"); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		seeds = n
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			c, err := replay.Simulate(context.Background(), seed, rules(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", c)
			if c.Reduction < 0.9 || len(c.Hidden) > 0 {
				t.Errorf("%.1f %% fewer messages, hidden %v", 100*c.Reduction, c.Hidden)
			}
			if c.Independent == 0 || c.Peer < 500 {
				t.Errorf("the stream has too little in it: %+v", c)
			}
		})
	}
}

// Two seeds differ, and a seed always gives the same.
func TestGenerate(t *testing.T) {
	t.Parallel()
	if d := cmp.Diff(replay.Summary(replay.Generate(3)), replay.Summary(replay.Generate(3))); d != "" {
		t.Errorf("the same seed differs:\n%s", d)
	}
	if cmp.Equal(replay.Summary(replay.Generate(3)), replay.Summary(replay.Generate(4))) {
		t.Error("two seeds give the same")
	}
}

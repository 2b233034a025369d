package detect

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// scripted runs a policy over a line of samples, one per character, a minute each: '.' quiet, '#' abnormal above, 'v' abnormal below, 's' abnormal but close to
// the expected value, '?' a gap, '~' between the recovery level and 1. It returns a line with '!' where an episode is confirmed, 'A' while one is open, 'S' for
// shifted and '.' else.
func scripted(p Policy, line string) (string, []Episode) {
	s := series.New(nil, series.Grid{Step: 60_000, N: len(line)})
	r := NewResult(len(line))
	for i, c := range line {
		s.Values[i], r.Expected[i], r.Lower[i], r.Upper[i] = 100, 100, 90, 110
		switch c {
		case '#':
			s.Values[i], r.Score[i] = 200, 10
		case 'v':
			s.Values[i], r.Score[i] = 0, 10
		case 's':
			s.Values[i], r.Score[i] = 101, 2
		case '~':
			s.Values[i], r.Score[i] = 109, 0.9
		case '?':
			s.Values[i], r.Score[i], r.State[i] = math.NaN(), math.NaN(), Gap
		}
	}
	v := newVerdicts(s, r)
	episodes := p.run(s, r, &v)
	out := make([]byte, len(line))
	for i := range out {
		switch {
		case v.Onset[i] > 0:
			out[i] = '!'
		case v.State[i] == Shifted:
			out[i] = 'S'
		case v.Anomalous[i]:
			out[i] = 'A'
		default:
			out[i] = '.'
		}
		if out[i] == '!' && !v.Anomalous[i] {
			out[i] = 'X'
		}
	}
	return string(out), episodes
}

func policy(change func(*Policy)) Policy {
	p := DefaultPolicy()
	p.N, p.M, p.Recover, p.Horizon = 2, 3, 3, registry.Duration(20*60e9)
	if change != nil {
		change(&p)
	}
	return p
}

func TestPolicyScripts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		policy     Policy
		line, want string
	}{
		{"one spike is not enough", policy(nil), "....#....", "SS......."},
		{"two of three confirm, three quiet end", policy(nil), "...##.....##...", "SS..!AA....!AA."},
		{"two of three with a pause", policy(nil), "...#.#......", "SS...!AA...."},
		{"too far apart", policy(nil), "...#..#......", "SS..........."},
		{"in an open episode a single quiet sample changes nothing", policy(nil), "...##.#.#...", "SS..!AAAAAA."},
		{"between recovery and one: neither", policy(nil), "...##~~~~~...", "SS..!AAAAAAA."},
		{"a gap neither confirms nor refutes", policy(nil), "...#?#...", "SS...!AA."},
		{"an outage shorter than what separates episodes leaves one open", policy(nil), "...##??????##...", "SS..!......AAAA."},
		{"a longer one ends it", policy(func(p *Policy) { p.Horizon = registry.Duration(60 * 60e9) }), "...##" + strings.Repeat("?", 30) + "##...", "SS..!" + strings.Repeat(".", 31) + "!AA."},
		{"gaps are not quiet: they do not bring a shifted series back", policy(nil), "..." + strings.Repeat("#", 24) + "?????##", "SS..!" + strings.Repeat("A", 18) + "SSSS" + "....." + "SS"},
		{"small changes do not count", policy(func(p *Policy) { p.MinRel = 0.05 }), "...sssss...", "SS........."},
		{"they do when asked for", policy(func(p *Policy) { p.MinRel = 0 }), "...sss....", "SS..!AAA.."},
		{"absolute changes", policy(func(p *Policy) { p.MinAbs = 150 }), "...###....", "SS........"},
		{"up only", policy(func(p *Policy) { p.Direction = "up" }), "...vvv...##....", "SS........!AA.."},
		{"down only", policy(func(p *Policy) { p.Direction = "down" }), "...vvv...##....", "SS..!AAA......."},
		{"no state before the first renewal", policy(nil), "#####...##....", "SSSSSSS..!AA.."},
		{"what lasts beyond the horizon is shifted", policy(nil), "..." + strings.Repeat("#", 24) + "...##...", "SS..!" + strings.Repeat("A", 18) + "SSSSSS..!AA."},
		{"n of m never looks behind a renewal", policy(func(p *Policy) { p.M = 9; p.N = 2 }), "...#...#.....", "SS..........."},
	} {
		got, _ := scripted(c.policy, c.line)
		if got != c.want {
			t.Errorf("%s:\n%s\n%s, want\n%s", c.name, c.line, got, c.want)
		}
	}
}

func TestEpisodes(t *testing.T) {
	t.Parallel()
	_, got := scripted(policy(nil), "...#.#v...")
	want := []Episode{{
		Began: 3 * 60_000, Confirmed: 5 * 60_000, Ended: 7 * 60_000, Peak: 10, PeakAt: 3 * 60_000, Direction: "up", Samples: 3,
		Actual: 200, Expected: 100, Lower: 90, Upper: 110,
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if _, open := scripted(policy(nil), "...##"); len(open) != 1 || open[0].Ended != 0 {
		t.Errorf("an open episode: %+v", open)
	}
	en, zh := want[0].Explain("en", nil, 60_000), want[0].Explain("zh-Hans", nil, 60_000)
	if en != "200 is 10.0 × the usual distance above the expected 100, beyond the usual range [90.0, 110], for 3m since 1970-01-01 00:03:00 UTC (score 10.0)" {
		t.Errorf("explained as %q", en)
	}
	if !strings.Contains(zh, "200 超出正常范围 [90.0, 110]：高于预期 100") {
		t.Errorf("explained as %q", zh)
	}
}

// After a renewal the automaton is in the same state wherever it was started: on random lines, a late start says the same as the full run from its first renewal on.
func TestPolicyForgetsItsStart(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(8, 9))
	compared := 0
	for range 400 {
		line := make([]byte, 330)
		calm := 0.3 + 0.6*rng.Float64()
		for i := range line {
			line[i] = "#v~?s"[rng.IntN(5)]
			if rng.Float64() < calm {
				line[i] = '.'
			}
		}
		for i, n := rng.IntN(250), rng.IntN(45); n > 0; n-- { // an outage
			line[i+n] = '?'
		}
		p := policy(func(p *Policy) { p.N, p.M, p.Recover = 1+rng.IntN(3), 3+rng.IntN(3), 1+rng.IntN(6) })
		full, _ := scripted(p, string(line))
		cut := 40 + rng.IntN(100)
		late, _ := scripted(p, string(line[cut:]))
		// As Walk.judged starts it: a horizon and the quiet samples of a renewal before what is asked for.
		from := int(p.Horizon.Milliseconds()/60_000) + p.outage(60_000)
		if full[cut+from:] != late[from:] {
			t.Fatalf("%+v\n%s\n%s full\n%s late", p, line[cut+from:], full[cut+from:], late[from:])
		}
		compared += len(late) - from
	}
	if compared < 10_000 {
		t.Fatalf("only %d verdicts were compared", compared)
	}
}

func TestPolicyOptions(t *testing.T) {
	t.Parallel()
	p := DefaultPolicy()
	err := registry.DecodeInto(&p, registry.FromJSON([]byte(`{"n": 6}`)))
	if err == nil || err.Error() != `parameter "n": got 6, want at most m, which is 5` {
		t.Errorf("got %v", err)
	}
	w := DefaultWalk()
	for json, want := range map[string]string{
		`{"step": "7m"}`:                       `parameter "refit": got 1d, want a multiple of the step, which is 7m`,
		`{"zone": "Mars/Olympus"}`:             `parameter "zone": got "Mars/Olympus", want a time zone like UTC, Europe/Berlin or Asia/Shanghai`,
		`{"zone": "Local"}`:                    `parameter "zone": got "Local", want the name of a time zone like Europe/Berlin or Asia/Shanghai: a verdict must not depend on the machine`,
		`{"train": "1d"}`:                      `parameter "min_train": got 2d, want at most the training window, which is 1d`,
		`{"step": "1ms", "refit": "1d"}`:       `parameter "step": got 1ms, want 1s to 1d`,
		`{"train": "7d", "min_train": "7d1h"}`: `parameter "min_train": got 7d1h, want at most the training window, which is 7d`,
	} {
		w = DefaultWalk()
		if err := registry.DecodeInto(&w, registry.FromJSON([]byte(json))); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", json, err, want)
		}
	}
}

package logs

import (
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/wire"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The steps of the fixture.
const (
	opened ID = iota + 1
	asked
	granted
	reading
	writing
	flushed
	left
	broken ID = 99
)

// visit is an ordinary session: opened, asked, granted, some reading and writing in any order, flushed if something was written, left.
func visit(rng *rand.Rand) []ID {
	s := []ID{opened, asked, granted}
	wrote := false
	for range 1 + rng.IntN(4) {
		if rng.IntN(3) == 0 {
			s = append(s, writing)
			wrote = true
		} else {
			s = append(s, reading)
		}
	}
	if wrote {
		s = append(s, flushed)
	}
	return append(s, left)
}

func visits(n int, seed uint64) [][]ID {
	rng := rand.New(rand.NewPCG(seed, 0))
	all := make([][]ID, n)
	for i := range all {
		all[i] = visit(rng)
	}
	return all
}

// faults are sessions of the fixture that went wrong, and the step at which they did.
var faults = []struct {
	name   string
	events []ID
	step   int
}{
	{"new", []ID{opened, asked, granted, broken, reading, left}, 3},
	{"cut", []ID{opened, asked}, 2},
	{"doubled", []ID{opened, asked, granted, granted, granted, reading, left}, 3},
	{"swapped", []ID{opened, granted, asked, reading, left}, 1},
}

// catches says which faults a detector finds: what its page says.
var catches = map[string][]string{
	"new_event":    {"new"},
	"count_vector": {"new", "cut", "doubled"},
	"auto":         {"new", "cut", "doubled"},
	"ngram":        {"new", "cut", "doubled", "swapped"},
	"hmm":          {"new", "cut", "doubled", "swapped"},
}

func fitted(tb testing.TB, name string, train [][]ID) SequenceModel {
	tb.Helper()
	d, err := Sequences.New(name, nil)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := d.Fit(train)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// Every registered detector keeps its promises.
func TestSequenceConformance(t *testing.T) {
	t.Parallel()
	for _, name := range Sequences.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			train := visits(1000, 1)
			copied := make([][]ID, len(train))
			for i := range train {
				copied[i] = slices.Clone(train[i])
			}
			m := fitted(t, name, train)
			if d := cmp.Diff(copied, train); d != "" {
				t.Fatalf("Fit changed the sessions:\n%s", d)
			}
			t.Run("false alarms", func(t *testing.T) {
				n := 0
				fresh := visits(2000, 2)
				for _, s := range fresh {
					if m.Score(s).Anomalous() {
						n++
					}
				}
				if n > 8 { // eight times the budget
					t.Errorf("%d of %d ordinary sessions", n, len(fresh))
				}
			})
			t.Run("faults", func(t *testing.T) {
				want, ok := catches[name]
				if !ok {
					t.Fatal("the test does not know what it catches")
				}
				for _, f := range faults {
					v := m.Score(f.events)
					if slices.Contains(want, f.name) && (!v.Anomalous() || v.Step != f.step) {
						t.Errorf("%s: score %.2f at step %d, want 1 or more at step %d", f.name, v.Score, v.Step, f.step)
					}
				}
			})
			t.Run("marshalled", func(t *testing.T) { sameAfterMarshalling(t, m, train) })
			t.Run("again", func(t *testing.T) {
				again := fitted(t, name, train)
				for _, f := range faults {
					if a, b := m.Score(f.events), again.Score(f.events); a != b {
						t.Errorf("%s: %+v, then %+v", f.name, a, b)
					}
				}
			})
			t.Run("any", func(t *testing.T) {
				rng := rand.New(rand.NewPCG(9, 9))
				for range 300 {
					s := make([]ID, rng.IntN(2000))
					for i := range s {
						s[i] = ID(rng.Uint64N(12))
					}
					if v := m.Score(s); math.IsNaN(v.Score) || v.Score < 0 || v.Step < -1 || v.Step > len(s) {
						t.Fatalf("%d events: %+v", len(s), v)
					}
				}
			})
			d, _ := Sequences.New(name, nil)
			if _, err := d.Fit(train[:5]); !errors.Is(err, ErrFewSessions) {
				t.Errorf("five sessions: got %v", err)
			}
			if _, err := d.Fit(make([][]ID, 50)); err != nil {
				t.Errorf("sessions without events: %v", err)
			}
		})
	}
}

func sameAfterMarshalling(t *testing.T, m SequenceModel, train [][]ID) {
	t.Helper()
	data, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	back, err := RestoreSequence(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(train[:50:50], faults[0].events, faults[1].events, faults[2].events, faults[3].events) {
		if a, b := m.Score(s), back.Score(s); a.Step != b.Step || math.Abs(a.Score-b.Score) > 1e-9 {
			t.Fatalf("%v: %+v, marshalled %+v", s, a, b)
		}
	}
	for n := 0; n < len(data); n += 1 + n/20 {
		if _, err := RestoreSequence(data[:n]); !errors.Is(err, wire.ErrCorrupt) {
			t.Fatalf("%d of %d bytes: got %v", n, len(data), err)
		}
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for range 500 {
		bad := slices.Clone(data)
		bad[rng.IntN(len(bad))] ^= byte(1 << rng.IntN(8))
		if b, err := RestoreSequence(bad); err == nil {
			b.Score(faults[0].events)
		}
	}
}

// Each registered detector has its page and its proof: the verdicts on the fixture.
func TestSequenceProofs(t *testing.T) {
	t.Parallel()
	for _, name := range Sequences.Names() {
		if _, err := os.Stat(filepath.Join("..", "..", "docs", "algorithms", "sequence_"+name+".md")); err != nil {
			t.Errorf("%s: no page: %v", name, err)
		}
		m := fitted(t, name, visits(1000, 1))
		var b strings.Builder
		w := csv.NewWriter(&b)
		_ = w.Write([]string{"session", "score", "step"})
		row := func(what string, s []ID) {
			v := m.Score(s)
			_ = w.Write([]string{what, strconv.FormatFloat(v.Score, 'f', 3, 64), strconv.Itoa(v.Step)})
		}
		for _, f := range faults {
			row(f.name, f.events)
		}
		for i, s := range visits(20, 5) {
			row(fmt.Sprint("ordinary ", i), s)
		}
		w.Flush()
		path := filepath.Join("testdata", "sequence_"+name+".csv")
		if *update {
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s: the verdicts changed; if that is meant, run with -update:\n%s", name, d)
		}
	}
}

// Baum and Welch's rounds never make the sessions less probable, and Viterbi's path is the best of all paths of a small model.
func TestHMM(t *testing.T) {
	t.Parallel()
	var train []counted
	for _, s := range visits(200, 4) {
		train = append(train, counted{s, 1})
	}
	h := HMM{States: 3, Iterations: 1, Seed: 7}
	m := h.fit(train).(*hidden)
	before := math.Inf(-1)
	for range 20 {
		now := m.reestimate(train)
		if now < before-0.01 { // the floors of the probabilities may cost a little
			t.Fatalf("the likelihood fell from %v to %v", before, now)
		}
		before = now
	}
	s := []ID{opened, asked, granted, left}
	o := m.symbols(s)
	best, want := math.Inf(-1), []int(nil)
	for n := range 243 { // 3 states, 5 symbols
		path := make([]int, 5)
		for i, k := 0, n; i < 5; i, k = i+1, k/3 {
			path[i] = k % 3
		}
		p := math.Log(m.start[path[0]]) + math.Log(m.emit[path[0]*m.m+o[0]])
		for i := 1; i < 5; i++ {
			p += math.Log(m.step[path[i-1]*m.s+path[i]]) + math.Log(m.emit[path[i]*m.m+o[i]])
		}
		if p > best {
			best, want = p, path
		}
	}
	if d := cmp.Diff(want, m.path(s)); d != "" {
		t.Errorf("path (-want +got):\n%s", d)
	}
	// The forward pass agrees with the sum over all paths.
	alpha, scale := make([]float64, 5*3), make([]float64, 5)
	m.forward(o, alpha, scale)
	p, sum := 1.0, 0.0
	for _, c := range scale {
		p *= c
	}
	for n := range 243 {
		x, last := 1.0, -1
		for i, k := 0, n; i < 5; i, k = i+1, k/3 {
			j := k % 3
			if last < 0 {
				x *= m.start[j]
			} else {
				x *= m.step[last*m.s+j]
			}
			x *= m.emit[j*m.m+o[i]]
			last = j
		}
		sum += x
	}
	if math.Abs(p-sum) > 1e-9*sum {
		t.Errorf("probability %v, over all paths %v", p, sum)
	}
}

// The smoothed probabilities of what may follow sum to one, and follow Witten and Bell's formula on a case done by hand.
func TestWittenBell(t *testing.T) {
	t.Parallel()
	m := fitGrams([]counted{{[]ID{opened, asked, left}, 3}, {[]ID{opened, left}, 1}}, 2).(*grams)
	key := m.encode([]ID{opened, asked})
	// After "opened" (4 times): asked 3, left 1: two kinds. Unigrams: 4 opened, 3 asked, 4 left, 4 ends, of 15, four kinds; below them 1/6.
	unigram := (3 + 4*(1.0/6)) / (15 + 4)
	if got, want := m.probability(key, 8), (3+2*unigram)/(4+2); math.Abs(got-want) > 1e-12 {
		t.Errorf("asked after opened: got %v, want %v", got, want)
	}
	sum := 0.0
	for n := range uint32(len(m.v.ids) + firstEvent) {
		k := slices.Clone(key[:8])
		k = append(k, byte(n), 0, 0, 0)
		sum += m.probability(k, 8)
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("the probabilities sum to %v", sum)
	}
}

// A few sessions of a rare kind do not move the threshold; the tail of an exponential is found.
func TestTail(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	held := make([]float64, 20_000)
	for i := range held {
		held[i] = rng.ExpFloat64()
	}
	want := math.Log(1 / 0.0005)
	if got := tail(slices.Clone(held), 0.0005); math.Abs(got-want) > 0.7 {
		t.Errorf("exponential: got %v, want %v", got, want)
	}
	for i := range 10 {
		held[i] = 1000
	}
	if got := tail(held, 0.0005); math.Abs(got-want) > 0.7 {
		t.Errorf("with ten outliers: got %v, want %v", got, want)
	}
	if got := tail(make([]float64, 100), 0.0005); got != 0 {
		t.Errorf("nothing strange: got %v", got)
	}
}

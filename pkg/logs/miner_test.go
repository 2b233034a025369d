package logs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/wire"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func newMiner(tb testing.TB, o Options) *Miner {
	tb.Helper()
	m, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// texts are those of all templates, sorted.
func texts(m *Miner) []string {
	var all []string
	for _, t := range m.Templates() {
		all = append(all, t.Text)
	}
	slices.Sort(all)
	return all
}

func addAll(m *Miner, lines ...string) (last Match) {
	for i, l := range lines {
		last = m.Add([]byte(l), start.Add(time.Duration(i)*time.Second))
	}
	return last
}

// What the masks make of a single line.
func TestMasks(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Connection from 10.0.0.7 port 4711":                        "Connection from <*> port <*>",
		"took 12.5ms, 3.1e-4 s, -7 and 0x1F":                        "took <*> s, <*> and <*>",
		"[instance: 7e7cc42f-3cb9-4d91-804c-f5a32d54f1c5] Creating": "[instance: <*>] Creating",
		"block blk_-6670958622368987959 of rdd_42_20":               "block <*> of <*>",
		"read /var/log/syslog and ./a.out":                          "read <*> and <*>",
		"GET https://example.com/a?b=1, done":                       "GET <*>, done",
		"open C:\\Windows\\x.dll now":                               "open <*> now",
		"mac 00:11:43:e3:ba:c3 up":                                  "mac <*> up",
		"at Sun Jul 10 07:24:34 2005 it began":                      "at <*> it began",
		"enabled=true, name=null":                                   "enabled=<*>, name=<*>",
		"L3 cache of eth0":                                          "L3 cache of eth0",
		"dest proxy.cse.example.hk:5070 closed":                     "dest <*> closed",
		"values 1, 2, 3 4":                                          "values <*>",
		"version v2.6.1 found":                                      "version <*> found",
		"unpacked libc6:amd64 2.36-9+deb12u13 of 3.0.0rc1":          "unpacked libc6:amd64 <*> of <*>",
		"from host () here":                                         "from host (<*>) here",
		"password=hunter user=alice":                                "password=<*> user=alice",
		`{"token": "abcdef", "level":"info"}`:                       `{"token": "<*>", "level":"info"}`,
		"a\tb \x00\x01\x02 c":                                       "a b c",
		"":                                                          "",
	} {
		m := newMiner(t, DefaultOptions())
		got := m.Text(addAll(m, line).ID)
		if got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

// A place that may vary is a word until it varies, under the same id; a place for words makes a new id, and the old one leads to it.
func TestGeneralise(t *testing.T) {
	t.Parallel()
	m := newMiner(t, DefaultOptions())
	first := addAll(m, "cache L3 was flushed")
	if second := addAll(m, "cache L2 was flushed"); second.ID != first.ID || m.Text(first.ID) != "cache <*> was flushed" {
		t.Errorf("got %v with %q, want the same id and a place", second, m.Text(second.ID))
	}
	var old []ID
	for _, colour := range []string{"red", "green", "blue"} {
		old = append(old, addAll(m, "the light of the lamp is "+colour+" at this moment").ID)
	}
	if old[0] == old[1] {
		t.Error("two words make no variable")
	}
	last := addAll(m, "the light of the lamp is violet at this moment", "the light of the lamp is yellow at this moment")
	if got, want := m.Text(last.ID), "the light of the lamp is <*> at this moment"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, id := range old {
		if m.Resolve(id) != last.ID {
			t.Errorf("%s leads to %s, want %s", id, m.Resolve(id), last.ID)
		}
	}
	if n := m.Stats(); n.Lines != 7 || n.Templates != 2 || n.Merged == 0 {
		t.Errorf("stats %+v", n)
	}
	view, ok := m.Template(old[0])
	if !ok || view.Count != 5 || len(view.Steps) < 2 || view.Example != "the light of the lamp is red at this moment" {
		t.Errorf("the template lost something: %+v", view)
	}
}

// A place that starts to vary takes in the templates that it covers, as it would have if they had come later.
func TestCover(t *testing.T) {
	t.Parallel()
	lines := []string{"pending trigger of libc for host", "pending trigger of gtk3 for host", "pending trigger of gtk4 for host"}
	for _, order := range [][]int{{0, 1, 2}, {1, 2, 0}, {1, 0, 2}} {
		m := newMiner(t, DefaultOptions())
		var first ID
		for i, k := range order {
			if match := addAll(m, lines[k]); i == 0 {
				first = match.ID
			}
		}
		if got := texts(m); len(got) != 1 || got[0] != "pending trigger of <*> for host" || m.Text(first) != got[0] {
			t.Errorf("order %v: %q, the first is %q", order, got, m.Text(first))
		}
	}
}

// Words that tell outcomes apart never become a variable, however many there are.
func TestOpposites(t *testing.T) {
	t.Parallel()
	m := newMiner(t, DefaultOptions())
	words := []string{"started", "stopped", "failed", "succeeded", "up", "down", "opened", "closed", "SCREEN_OFF", "onExpandingFinished", "x+", "z-"}
	for _, w := range words {
		addAll(m, "the service of the host is "+w+" at this moment")
	}
	if n := len(texts(m)); n != len(words) {
		t.Errorf("%d templates of %d opposites: %q", n, len(words), texts(m))
	}
	o := DefaultOptions()
	o.Protected = []string{"Red", "green", "blue", "yellow", "white"}
	m = newMiner(t, o)
	for _, w := range o.Protected {
		addAll(m, "the light of the lamp is "+w+" at this moment")
	}
	if n := len(texts(m)); n != len(o.Protected) {
		t.Errorf("%d templates of %d protected words", n, len(o.Protected))
	}
}

// Whatever the order of the lines: the same templates with the same ids and counts.
func TestPermutation(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, w := range []string{"alpha", "beta", "gamma", "delta", "omega", "kappa"} {
		lines = append(lines, "session opened for "+w+" by the night daemon", "session closed for "+w+" by the night daemon")
	}
	for i := range 20 {
		lines = append(lines, fmt.Sprintf("disk sd%c has %d errors", 'a'+i%3, i), fmt.Sprintf("cache L%d was flushed", i%4))
	}
	type seen struct {
		Text  string
		Count uint64
	}
	var want map[ID]seen
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		m := newMiner(t, DefaultOptions())
		addAll(m, lines...)
		got := map[ID]seen{}
		for _, x := range m.Templates() {
			got[x.ID] = seen{x.Text, x.Count}
		}
		if want == nil {
			want = got
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("the order made a difference (-first +now):\n%s", d)
		}
	}
}

// A restored miner goes on as if nothing had been.
func TestRestart(t *testing.T) {
	t.Parallel()
	lines := mixed(4000)
	through, before := newMiner(t, DefaultOptions()), newMiner(t, DefaultOptions())
	addAll(through, lines[:2000]...)
	addAll(before, lines[:2000]...)
	after, err := Restore(DefaultOptions(), before.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before.Templates(), after.Templates(), cmp.Comparer(equalNaN)); d != "" {
		t.Fatalf("restored templates differ:\n%s", d)
	}
	for i, l := range lines[2000:] {
		at := start.Add(time.Hour + time.Duration(i)*time.Second)
		a, b := through.Add([]byte(l), at), after.Add([]byte(l), at)
		if a != b {
			t.Fatalf("line %d %q: %+v, restored %+v", i, l, a, b)
		}
	}
	if d := cmp.Diff(through.Templates(), after.Templates(), cmp.Comparer(equalNaN)); d != "" {
		t.Errorf("templates differ after more lines:\n%s", d)
	}
	if d := cmp.Diff(through.Moves(), after.Moves()); d != "" {
		t.Errorf("moves differ:\n%s", d)
	}
}

func equalNaN(a, b float64) bool { return a == b || a != a && b != b }

// mixed are lines of many shapes with words that come in their time.
func mixed(n int) []string {
	rng := rand.New(rand.NewPCG(3, 4))
	word := func(k int) string { return string([]byte{byte('a' + k%26), byte('a' + k/26%26), 'q', 'z'}) }
	lines := make([]string, n)
	for i := range lines {
		switch rng.IntN(6) {
		case 0:
			lines[i] = fmt.Sprintf("user=%s logged from 10.0.%d.%d", word(rng.IntN(40)), rng.IntN(255), rng.IntN(255))
		case 1:
			lines[i] = fmt.Sprintf("the worker %s took the job of the queue", word(rng.IntN(300)))
		case 2:
			lines[i] = fmt.Sprintf("%s %s", word(rng.IntN(30)), word(rng.IntN(30)))
		case 3:
			lines[i] = fmt.Sprintf("cache L%d: %d hits (%s)", rng.IntN(4), rng.IntN(1e6), word(rng.IntN(3)))
		case 4:
			lines[i] = strings.Repeat(word(rng.IntN(9))+", ", 1+rng.IntN(5)) + "end"
		default:
			lines[i] = fmt.Sprintf("job job_%d done in %dms", rng.IntN(1e6), rng.IntN(1e4))
		}
	}
	return lines
}

// State that is cut or changed is an error or another state, never a panic.
func TestCorruptState(t *testing.T) {
	t.Parallel()
	m := newMiner(t, DefaultOptions())
	addAll(m, mixed(200)...)
	state := m.Marshal()
	for n := 0; n < len(state); n += 7 {
		if _, err := Restore(DefaultOptions(), state[:n]); !errors.Is(err, wire.ErrCorrupt) {
			t.Fatalf("%d of %d bytes: got %v", n, len(state), err)
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		bad := slices.Clone(state)
		bad[rng.IntN(len(bad))] ^= byte(1 << rng.IntN(8))
		if r, err := Restore(DefaultOptions(), bad); err == nil {
			addAll(r, "job job_1 done in 2ms", "the worker of the moon")
			r.Templates()
		}
	}
}

// Lines of random words do not grow the miner without end, and the usual lines keep their templates.
func TestExplosion(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.MaxTemplates, o.MaxSignatures = 256, 1024
	m := newMiner(t, o)
	rng := rand.New(rand.NewPCG(7, 8))
	random := func() string {
		var b strings.Builder
		for range 1 + rng.IntN(12) {
			for range 1 + rng.IntN(9) {
				b.WriteByte(byte('a' + rng.IntN(26)))
			}
			b.WriteByte(" ,:=[]"[rng.IntN(6)])
		}
		return b.String()
	}
	usual := addAll(m, "the usual line of the house: 1").ID
	for i := range 30_000 {
		addAll(m, random())
		if i%100 == 0 {
			if got := addAll(m, "the usual line of the house: 2").ID; got != usual {
				t.Fatalf("line %d: the usual line moved", i)
			}
		}
		if s := m.Stats(); s.Templates > o.MaxTemplates || s.Signatures > o.MaxSignatures || len(m.buckets) > o.MaxTemplates || len(m.moves.list) > maxMoves || len(m.moves.to) > maxMoves {
			t.Fatalf("line %d: %+v with %d buckets and %d moves", i, s, len(m.buckets), len(m.moves.to))
		}
	}
	if s := m.Stats(); s.Forgotten == 0 {
		t.Errorf("nothing was forgotten: %+v", s)
	}
}

// Lines as long as they may be, of as many columns as there can be, stay within the memory that short ones have.
func TestMemory(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.MaxTemplates, o.MaxSignatures = 512, 1024
	m := newMiner(t, o)
	rng := rand.New(rand.NewPCG(9, 8))
	for i := range 600 {
		line := make([]byte, o.MaxLine)
		for k := range line {
			line[k] = "abcdefgh ,:=[]"[rng.IntN(14)]
		}
		m.Add(line, start)
		if i%20 != 0 {
			continue
		}
		held, remembered := 0, 0
		for _, x := range m.byID {
			held += x.bytes
		}
		for _, x := range m.signatures {
			remembered += x.bytes
		}
		if m.held > templateBytes*(o.MaxTemplates+100) || m.remembered > signatureBytes*o.MaxSignatures || held != m.held || remembered != m.remembered {
			t.Fatalf("line %d: %d bytes of templates, counted %d; %d of signatures, counted %d", i, held, m.held, remembered, m.remembered)
		}
	}
	if m.Stats().Templates < 10 {
		t.Errorf("%d templates are left", m.Stats().Templates)
	}
}

// Words of one shape without end become one template.
func TestCrowded(t *testing.T) {
	t.Parallel()
	m := newMiner(t, DefaultOptions())
	for i := range 2000 {
		addAll(m, fmt.Sprintf("%c%c%cq %c%c%cz", 'g'+i%19, 'g'+i/19%19, 'g'+i/7%19, 'g'+i*5%19, 'g'+i*7/19%19, 'g'+i/3%19))
	}
	if s := m.Stats(); s.Templates > DefaultOptions().Bucket {
		t.Errorf("%d templates: %q", s.Templates, texts(m)[:10])
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	m := newMiner(t, DefaultOptions())
	line := []byte("took 12ms for 0x1f at 10.0.0.7:80, user=bob 1 2 3")
	m.Add(line, start)
	type part struct {
		Slot int
		Kind string
		Text string
	}
	var got []part
	for _, v := range m.Variables(nil) {
		got = append(got, part{v.Slot, v.Kind.String(), string(v.Text)})
	}
	want := []part{{0, "duration", "12ms"}, {1, "hex", "0x1f"}, {2, "address", "10.0.0.7:80"}, {3, "word", "bob"}, {4, "number", "1"}, {4, "number", "2"}, {4, "number", "3"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("variables (-want +got):\n%s", d)
	}
	if v, ok := m.Variables(nil)[0].Number(); !ok || v != 0.012 {
		t.Errorf("12ms: got %v, %v", v, ok)
	}
	if v, ok := m.Variables(nil)[1].Number(); !ok || v != 31 {
		t.Errorf("0x1f: got %v, %v", v, ok)
	}
	if _, ok := m.Variables(nil)[2].Number(); ok {
		t.Error("an address is no number")
	}
}

// A template whose windows hold ten times the usual lines shifts once, not in every window, and once more when it falls back.
func TestShifts(t *testing.T) {
	t.Parallel()
	m := newMiner(t, DefaultOptions())
	at := start
	var id ID
	fill := func(windows, lines int) {
		for range windows {
			for i := range lines {
				id = m.Add([]byte("request done"), at.Add(time.Duration(i)*time.Second)).ID
			}
			at = at.Add(5 * time.Minute)
		}
	}
	fill(30, 10)
	if v, _ := m.Template(id); v.Shifts != 0 || v.Usual != 10 {
		t.Fatalf("steady: %d shifts, usual %v", v.Shifts, v.Usual)
	}
	fill(2, 100)
	fill(1, 10)
	if s := m.Stats().Shifts; s != 1 {
		t.Errorf("got %d shifts, want 1", s)
	}
	fill(200, 100) // becomes usual
	if v, _ := m.Template(id); v.Usual < 80 || v.Shifts != 2 {
		t.Errorf("a lasting change: %d shifts, usual %v, want one more and about 100", v.Shifts, v.Usual)
	}
	for range 3 { // silence, which only Tick sees
		at = at.Add(5 * time.Minute)
		m.Tick(at)
	}
	if v, _ := m.Template(id); v.Shifts != 3 {
		t.Errorf("silence: %d shifts, want 3", v.Shifts)
	}
}

// The templates of a log of our own are what they were.
func TestGoldenTemplates(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/house.log")
	if err != nil {
		t.Fatal(err)
	}
	m := newMiner(t, DefaultOptions())
	addAll(m, strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")...)
	var b strings.Builder
	for _, v := range m.Templates() {
		kinds := make([]string, len(v.Slots))
		for i, s := range v.Slots {
			kinds[i] = s.Kind.String()
		}
		fmt.Fprintf(&b, "%s\t%d\t%s\t%s\n", v.ID, v.Count, v.Text, strings.Join(kinds, " "))
	}
	if *update {
		if err := os.WriteFile("testdata/house.templates", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/house.templates")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("the templates changed; if that is meant, run with -update (and stored ids move):\n%s", d)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"login password=hunter2 ok":                  "login password=*** ok",
		`{"api_key": "abc def", "n": 1}`:             `{"api_key": ***, "n": 1}`,
		"Authorization: Bearer abcdefghijklmnop end": "Authorization: *** end",
		"dial postgres://me:secret@db/x":             "dial postgres://me:***@db/x",
		"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.abc_d x":  "jwt *** x",
		"bad \xff utf":                               "bad \uFFFD utf",
	} {
		if got := Redact([]byte(line)); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	if got := Redact([]byte(strings.Repeat("é", 5000))); len(got) > maxExample {
		t.Errorf("%d bytes", len(got))
	}
}

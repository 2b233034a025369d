package stage

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

func TestWords(t *testing.T) {
	t.Parallel()
	a := alert.Alert{
		Labels:      alert.Labels{"alertname": "DiskFull", "instance": "10.1.2.3:9100", "device": "sda1", "severity": "error", "pod": "x-1"},
		Annotations: alert.Labels{"summary": "Disk of db-12 (10.1.2.3) is 97.5% full, inode 0xdeadbeef12, id 5f3a-77"},
	}
	want := strings.Fields("diskfull device=sda# severity=error disk of db # is # full inode #xdeadbeef# id #")
	if d := cmp.Diff(want, words(a, nil)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	b := a
	b.Labels = alert.Labels{"alertname": "DiskFull", "instance": "10.9.9.9:9100", "device": "sda7", "severity": "error", "pod": "y-2"}
	b.Annotations = alert.Labels{"summary": "Disk of db-7 (10.9.9.9) is 81% full, inode 0xdeadbeef99, id 12-9"}
	if d := cmp.Diff(words(a, nil), words(b, nil)); d != "" {
		t.Errorf("numbers and addresses make a difference:\n%s", d)
	}
}

// Hashes of texts that differ in few words are near, those of others are not;
// whatever differs in at most three bits shares a block.
func TestSimhash(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		return string([]byte{byte('a' + rnd.IntN(26)), byte('a' + rnd.IntN(26)), byte('a' + rnd.IntN(26))})
	}
	var far int
	for range 200 {
		text := make([]string, 40)
		for i := range text {
			text[i] = word()
		}
		other := make([]string, 40)
		for i := range other {
			other[i] = word()
		}
		near := slices.Clone(text)
		near[rnd.IntN(40)] = word()
		if d := distance(simhash(text), simhash(near)); d > 16 {
			t.Errorf("one word of forty makes a distance of %d", d)
		}
		if distance(simhash(text), simhash(other)) <= 3 {
			far++
		}
		h := simhash(text)
		flipped := h
		for range 3 {
			flipped ^= 1 << rnd.IntN(64)
		}
		if !slices.ContainsFunc(blocks("c", h), func(b string) bool { return slices.Contains(blocks("c", flipped), b) }) {
			t.Errorf("%x and %x share no block", h, flipped)
		}
	}
	if far > 0 {
		t.Errorf("%d of 200 pairs of other texts are within 3 bits", far)
	}
}

// Levenshtein's distances of kitten, sitting and of words of the same letters: 3
// of 7, by hand.
func TestLikeness(t *testing.T) {
	t.Parallel()
	letters := func(s string) []string { return strings.Split(s, "") }
	for _, tc := range []struct {
		a, b string
		want float64
	}{{"kitten", "sitting", 1 - 3./7}, {"abc", "abc", 1}, {"abc", "xyz", 0}, {"ab", "abcd", 0.5}} {
		if got := likeness(letters(tc.a), letters(tc.b)); math.Abs(got-tc.want) > 1e-12 {
			t.Errorf("%s, %s: %v, want %v", tc.a, tc.b, got, tc.want)
		}
		if likeness(letters(tc.a), letters(tc.b)) != likeness(letters(tc.b), letters(tc.a)) {
			t.Errorf("%s, %s: it is not symmetric", tc.a, tc.b)
		}
	}
	if likeness(nil, nil) != 1 {
		t.Error("two empty texts are the same")
	}
}

// Nagios' weights run from 0.8 for the oldest to 1.2 for the newest of twenty
// changes: a change at every sample is 100 %, the oldest alone 4 %, the newest 6 %.
func TestFlapShare(t *testing.T) {
	t.Parallel()
	at := func(minutes float64) time.Time {
		return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).Add(time.Duration(minutes * float64(time.Minute)))
	}
	var all []cases.Span
	for i := -20; i <= 0; i += 2 {
		all = append(all, cases.Span{From: at(float64(i)), To: at(float64(i + 1))})
	}
	for name, tc := range map[string]struct {
		spans []cases.Span
		want  float64
	}{
		"at every sample":                     {all, 100},
		"never":                               {nil, 0},
		"always firing":                       {[]cases.Span{{From: at(-100)}}, 0},
		"the oldest alone":                    {[]cases.Span{{From: at(-19)}}, 4},
		"the newest alone":                    {[]cases.Span{{From: at(0)}}, 6},
		"between samples":                     {[]cases.Span{{From: at(-5.7), To: at(-5.3)}}, 0},
		"too long ago":                        {[]cases.Span{{From: at(-90), To: at(-80)}}, 0},
		"an open end that a newer start ends": {[]cases.Span{{From: at(-100)}, {From: at(-1), To: at(0)}}, 6},
	} {
		if got := FlapShare(tc.spans, at(0.5), time.Minute); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: %v %%, want %v", name, got, tc.want)
		}
	}
}

// The times of firing are a set: any order and repetition leads to the same.
func TestSpansOrder(t *testing.T) {
	t.Parallel()
	var told []alert.Alert
	begin := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for i := range 15 {
		a := alert.Alert{Status: alert.Firing, StartsAt: begin.Add(time.Duration(i) * time.Minute)}
		told = append(told, a)
		a.Status, a.EndsAt = alert.Resolved, a.StartsAt.Add(30*time.Second)
		told = append(told, a)
	}
	fold := func(all []alert.Alert) (out []cases.Span) {
		for _, a := range all {
			out = withSpan(out, a)
		}
		return out
	}
	want := fold(told)
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		mixed := append(slices.Clone(told), told[:10]...)
		rnd.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if d := cmp.Diff(want, fold(mixed)); d != "" {
			t.Fatalf("(-in order +mixed):\n%s", d)
		}
	}
}

func FuzzMatchers(f *testing.F) {
	f.Add(`alertname="DiskFull",instance="db-1"`)
	f.Add(`{a=~"x,y",b!="\"",}`)
	f.Add(`a="`)
	f.Fuzz(func(t *testing.T, text string) {
		ms, err := matchers(text)
		if err != nil {
			return
		}
		for _, m := range ms {
			if m.Name() == "" {
				t.Fatalf("%q: a matcher without a name", text)
			}
		}
	})
}

func FuzzWords(f *testing.F) {
	f.Add("DiskFull", "disk of 10.1.2.3 is 97% full", "pod")
	f.Add("", "\xff\x00", "a=b")
	f.Fuzz(func(t *testing.T, name, text, label string) {
		a := alert.Alert{Labels: alert.Labels{"alertname": name, label: text}, Annotations: alert.Labels{"summary": text}}
		all := words(a, nil)
		h, back, ok := readDescribed(described(simhash(all), all))
		if !ok || h != simhash(all) || len(all) > maxWords {
			t.Fatalf("%q does not survive: %v %v", all, back, ok)
		}
		if likeness(all, all) != 1 {
			t.Fatalf("%q is not like itself", all)
		}
	})
}

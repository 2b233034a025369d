package logs

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSessionsRestart: open sessions go on after a restart as if there had been none.
func TestSessionsRestart(t *testing.T) {
	t.Parallel()
	o := DefaultSessionOptions()
	o.Key, o.End = `r=(\d+)`, "done"
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	one, err := NewSessions(o)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := NewSessions(o)
	var a, b []Session
	for i := range 500 {
		at = at.Add(time.Second)
		line := fmt.Appendf(nil, "r=%d step %d password=hunter2", i%17, i)
		if i%31 == 0 {
			line = append(line, " done"...)
		}
		a, b = append(a, one.Add(line, ID(i%5), at)...), append(b, other.Add(line, ID(i%5), at)...)
		if i%7 == 0 {
			state := other.Marshal()
			other, _ = NewSessions(o)
			if err := other.Restore(state); err != nil {
				t.Fatal(err)
			}
		}
	}
	a, b = append(a, one.Expire(at.Add(time.Hour))...), append(b, other.Expire(at.Add(time.Hour))...)
	if diff := cmp.Diff(a, b); diff != "" || len(a) < 20 {
		t.Errorf("%d sessions:\n%s", len(a), diff)
	}
	state := other.Marshal()
	for n := range state {
		if err := other.Restore(state[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are taken", n, len(state))
		}
	}
}

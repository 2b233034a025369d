package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/store"
)

// What is urgent is handed out first, within the order of its lane.
func testOrderOfUrgency(t *testing.T, db *store.DB) {
	var ch cases.Change
	for i, u := range []policy.Grade{policy.P2, policy.P0, policy.P1, policy.P0} {
		a := anAction(fmt.Sprint("a", i), "ding", fmt.Sprint("c", i))
		a.Urgency, a.Planned, a.Due = u, at(i), at(i)
		ch.Actions = append(ch.Actions, a)
	}
	behind := anAction("b0", "ding", "c0") // urgent, but behind a0 in its lane
	behind.Planned, behind.Due = at(9), at(9)
	ch.Actions = append(ch.Actions, behind)
	ok(t, db.Commit(ctx, ch))
	if got := must[policy.Waiting](t)(db.Waiting(ctx, "ding", at(5))); got != (policy.Waiting{Urgent: 2, Other: 2}) {
		t.Errorf("waiting: %+v", got)
	}
	if got := must[policy.Waiting](t)(db.Waiting(ctx, "ding", at(10))); got != (policy.Waiting{Urgent: 3, Other: 2}) {
		t.Errorf("waiting: %+v", got)
	}
	urgent := must[[]cases.Action](t)(db.Claim(ctx, cases.ClaimRequest{Holder: "h", Channel: "ding", Now: at(10), Lease: time.Minute, Limit: 10, UrgentOnly: true}))
	if names(urgent) != "a1 a3 " || urgent[0].Urgency != policy.P0 {
		t.Errorf("urgent ones: %s", names(urgent))
	}
	if rest := claim(t, db, "h", "ding", at(10), 10); names(rest) != "a2 a0 " || rest[0].Urgency != policy.P1 {
		t.Errorf("the others: %s", names(rest))
	}
}

// Whoever claims with a bucket that is not the stored one any more gets nothing and leaves everything as it is.
func testBuckets(t *testing.T, db *store.DB) {
	var ch cases.Change
	for i := range 60 {
		ch.Actions = append(ch.Actions, anAction(fmt.Sprintf("a%02d", i), "ding", fmt.Sprint("c", i)))
	}
	ok(t, db.Commit(ctx, ch))
	quota := policy.Quota{Rates: []policy.Rate{{N: 20, Per: time.Minute}}}
	var mu sync.Mutex
	sent, conflicts := 0, 0
	var wg sync.WaitGroup
	for w := range 4 { // replicas
		wg.Go(func() {
			for range 30 {
				b, err := db.Bucket(ctx, "robot")
				if err != nil {
					t.Error(err)
					return
				}
				if quota.Wait(b, false, at(1)) > 0 {
					continue
				}
				next := quota.Take(b, false, at(1))
				got, err := db.Claim(ctx, cases.ClaimRequest{Holder: fmt.Sprint("h", w), Channel: "ding", Now: at(1), Lease: time.Minute, Limit: 1, Bucket: &next})
				mu.Lock()
				switch {
				case errors.Is(err, cases.ErrConflict):
					conflicts++
				case err != nil:
					t.Error(err)
				default:
					sent += len(got)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if sent != 12 { // 20, less the reserve for what is urgent
		t.Errorf("%d messages were handed out of a bucket of 12", sent)
	}
	t.Logf("%d conflicts", conflicts)
	ok(t, db.Block(ctx, "robot", at(500)))
	ok(t, db.Block(ctx, "robot", at(400))) // sooner: changes nothing
	b := must[policy.Bucket](t)(db.Bucket(ctx, "robot"))
	if !b.Blocked.Equal(at(500)) || len(b.Spent) != 12 || b.Name != "robot" {
		t.Errorf("got %+v", b)
	}
	stale := b
	stale.Version = 1
	if _, err := db.Claim(ctx, cases.ClaimRequest{Holder: "h", Channel: "ding", Now: at(1), Lease: time.Minute, Limit: 1, Bucket: &stale}); !errors.Is(err, cases.ErrConflict) {
		t.Errorf("a stale bucket: %v", err)
	}
	nothing := must[policy.Bucket](t)(db.Bucket(ctx, "none"))
	got, err := db.Claim(ctx, cases.ClaimRequest{Holder: "h", Channel: "idle", Now: at(1), Lease: time.Minute, Limit: 1, Bucket: &nothing})
	if err != nil || len(got) != 0 {
		t.Errorf("an idle channel: %v %v", got, err)
	}
	if b := must[policy.Bucket](t)(db.Bucket(ctx, "none")); b.Version != 0 {
		t.Error("a token was spent on nothing")
	}
}

func testFinishAll(t *testing.T, db *store.DB) {
	ok(t, db.Commit(ctx, cases.Change{Actions: []cases.Action{anAction("a1", "ding", "c1"), anAction("a2", "ding", "c2"), anAction("a3", "ding", "c3")}}))
	got := claim(t, db, "h", "ding", at(1), 3)
	var all []cases.Result
	for _, a := range got {
		all = append(all, cases.Result{
			Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(2), Receipt: cases.Receipt{ID: "m1"},
			Events: []cases.Event{{CaseID: a.CaseID, At: at(2), Kind: cases.Sent, Channel: "ding", ActionID: a.ID, Note: "in a digest of 3 messages"}},
		})
	}
	all[1].Action.Holder = "somebody else"
	if lost := must[[]string](t)(db.FinishAll(ctx, all)); !cmp.Equal(lost, []string{"a2"}) {
		t.Errorf("lost: %v", lost)
	}
	lines := must[[]cases.LedgerLine](t)(db.Ledger(ctx, cases.LedgerQuery{Channel: "ding"}))
	if len(lines) != 2 {
		t.Errorf("the ledger has %d lines", len(lines))
	}
	if c := must[cases.Counts](t)(db.Counts(ctx)); c.Actions[cases.Done] != 2 || c.Actions[cases.Running] != 1 {
		t.Errorf("got %v", c.Actions)
	}
}

func testStuck(t *testing.T, db *store.DB) {
	var ch cases.Change
	for i, u := range []policy.Grade{policy.P0, policy.P0, policy.P1, policy.P0} {
		a := anAction(fmt.Sprint("a", i), []string{"ding", "slack"}[i%2], fmt.Sprint("c", i))
		a.Urgency, a.Planned, a.Due = u, at(i), at(100)
		ch.Actions = append(ch.Actions, a)
	}
	ch.Actions[3].Kind = cases.Escalate // not a message
	ok(t, db.Commit(ctx, ch))
	stuck := func(g policy.Grade, before int, channels ...string) string {
		return names(must[[]cases.Action](t)(db.Stuck(ctx, g, at(before), channels)))
	}
	if got := stuck(policy.P0, 10); got != "a0 a1 " {
		t.Errorf("got %s", got)
	}
	if got := stuck(policy.P0, 1) + stuck(policy.P1, 10) + stuck(policy.P0, 10, "slack"); got != "a0 a2 a1 " {
		t.Errorf("got %s", got)
	}
	ok(t, db.Commit(ctx, cases.Change{Relayed: []string{"a0"}}))
	if got := stuck(policy.P0, 10); got != "a1 " {
		t.Errorf("after it was relayed: %s", got)
	}
}

func testOnce(t *testing.T, db *store.DB) {
	c := aCase("c1")
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{c}, Once: []string{"pd/1"}}))
	c.Version, c.Title = 1, "changed"
	if err := db.Commit(ctx, cases.Change{Cases: []cases.Case{c}, Once: []string{"pd/2", "pd/1"}}); !errors.Is(err, cases.ErrRepeated) {
		t.Errorf("a repeated request: %v", err)
	}
	if got := must[cases.Case](t)(db.Case(ctx, "c1")); got.Title != "Title of c1" {
		t.Error("a repeated request changed the case")
	}
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{c}, Once: []string{"pd/2"}}))
	if n := must[int64](t)(db.Trim(ctx, store.Retention{Once: time.Now().Add(time.Hour)})); n != 2 {
		t.Errorf("%d names were forgotten, want 2", n)
	}
}

func testLedger(t *testing.T, db *store.DB) {
	var ch cases.Change
	for i := range 7 {
		a := anAction(fmt.Sprintf("a%d", i), []string{"ding", "slack"}[i%2], "c1")
		a.Lane = a.ID
		ch.Actions = append(ch.Actions, a)
	}
	own := anAction("own", cases.InternalChannel, "c1")
	ch.Actions, ch.Cases = append(ch.Actions, own), []cases.Case{aCase("c1")}
	ok(t, db.Commit(ctx, ch))
	for i, channel := range []string{"ding", "slack", "ding", "slack", "ding", "slack", "ding", cases.InternalChannel} {
		a := claim(t, db, "h", channel, at(i), 1)[0]
		r := cases.Result{Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(i + 1), Receipt: cases.Receipt{Status: 200, Reply: "ok"}}
		if i == 2 {
			r.State, r.Outcome, r.Error = cases.Dead, cases.OutcomeRejected, "no such robot"
		}
		ok(t, db.Finish(ctx, r))
	}
	read := func(q cases.LedgerQuery) string {
		out := ""
		for _, l := range must[[]cases.LedgerLine](t)(db.Ledger(ctx, q)) {
			out += l.ActionID + " "
		}
		return out
	}
	for want, q := range map[string]cases.LedgerQuery{
		"a6 a5 a4 a3 a2 a1 a0 ":     {},
		"own a6 a5 a4 a3 a2 a1 a0 ": {Internal: true},
		"a6 a4 a2 a0 ":              {Channel: "ding"},
		"a2 ":                       {Results: []string{"rejected"}},
		"a4 a3 ":                    {Since: at(3), Until: at(5)},
		"a6 a5 ":                    {Limit: 2},
		"":                          {CaseID: "c2"},
	} {
		if got := read(q); got != want {
			t.Errorf("%+v: got %q, want %q", q, got, want)
		}
	}
	first := must[[]cases.LedgerLine](t)(db.Ledger(ctx, cases.LedgerQuery{Limit: 3}))
	if got := read(cases.LedgerQuery{Before: first[2].Cursor()}); got != "a3 a2 a1 a0 " {
		t.Errorf("the next page: %s", got)
	}
	if l := first[0]; l.Key != "key-a6" || l.Title != "Title of c1" || l.Receipt.Status != 200 || !l.Began.Equal(at(6)) || !l.Ended.Equal(at(7)) {
		t.Errorf("got %+v", l)
	}
	if _, err := db.Ledger(ctx, cases.LedgerQuery{Before: "x"}); !errors.Is(err, cases.ErrBadCursor) {
		t.Errorf("a bad cursor: %v", err)
	}
}

// What all replicas found out about a channel is added up, whoever records at the same time; and of those that want to try a channel that is down one does.
func testChannelConditions(t *testing.T, db *store.DB) {
	var ch cases.Change
	const n = 24
	for i := range n {
		ch.Actions = append(ch.Actions, anAction(fmt.Sprintf("a%02d", i), "slack", fmt.Sprint("c", i)))
	}
	ok(t, db.Commit(ctx, ch))
	if got := must[[]policy.Condition](t)(db.Conditions(ctx, "slack", "none")); len(got) != 0 {
		t.Errorf("before anything was sent: %+v", got)
	}
	all := claim(t, db, "h", "slack", at(5), n)
	var wg sync.WaitGroup
	for i := range 4 { // replicas; the first two actions of each go out as one message
		wg.Go(func() {
			mine := all[i*n/4 : (i+1)*n/4]
			result := func(a cases.Action) cases.Result {
				r := cases.Result{Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(6)}
				r.Try = &policy.Try{Good: true, Took: time.Second, At: at(6)}
				return r
			}
			one, two := result(mine[0]), result(mine[1])
			two.Try = nil
			if _, err := db.FinishAll(ctx, []cases.Result{one, two}); err != nil {
				t.Error(err)
			}
			for _, a := range mine[2:] {
				if err := db.Finish(ctx, result(a)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := must[[]policy.Condition](t)(db.Conditions(ctx))
	if len(got) != 1 || got[0].Channel != "slack" || got[0].Version != 20 || len(got[0].Last) != policy.HealthOver || !got[0].GoodAt.Equal(at(6)) {
		t.Fatalf("after 20 messages: %+v", got)
	}
	c := got[0]
	for range 5 {
		c = c.After(policy.Try{At: at(7), Error: "no route"})
	}
	c.Breaker = c.Breaker.Probing(at(8), time.Minute)
	ch = cases.Change{}
	for i := range 2 {
		ch.Actions = append(ch.Actions, anAction(fmt.Sprint("b", i), "slack", fmt.Sprint("d", i)))
	}
	ok(t, db.Commit(ctx, ch))
	probe := cases.ClaimRequest{Holder: "h", Channel: "slack", Now: at(8), Lease: time.Minute, Limit: 1, Probe: &c}
	if first := must[[]cases.Action](t)(db.Claim(ctx, probe)); len(first) != 1 {
		t.Errorf("claimed %s, want one", names(first))
	}
	if _, err := db.Claim(ctx, probe); !errors.Is(err, cases.ErrConflict) {
		t.Errorf("a second probe of the same moment: %v, want a conflict", err)
	}
	c.Version++
	if d := cmp.Diff([]policy.Condition{c}, must[[]policy.Condition](t)(db.Conditions(ctx, "slack")), cmp.Comparer(func(a, b policy.Try) bool { return a.Good == b.Good && a.Took == b.Took })); d != "" {
		t.Errorf("stored (-want +got):\n%s", d)
	}
}

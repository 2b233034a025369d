package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/store"
	"github.com/foreshock/foreshock/webhook/store/storetest"
)

// Everything moves from one kind of store to another and back, unchanged, and only into an empty one that nobody works on.
func TestCopy(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, kinds := range map[string][2]storetest.Fresh{
		"sqlite to postgres and back": {sqliteURL, storetest.Postgres},
		"sqlite to sqlite":            {sqliteURL, sqliteURL},
		"postgres to sqlite and back": {storetest.Postgres, sqliteURL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rows = 300
			from, to, back := kinds[0](t), kinds[1](t), kinds[0](t)
			tables, err := store.FillEveryTable(ctx, from, rows)
			if err != nil || tables < 9 {
				t.Fatalf("%d tables, %v", tables, err)
			}
			there := copyOf(t, from, to)
			if len(there) != tables {
				t.Errorf("%d of %d tables were copied: %v", len(there), tables, there)
			}
			for _, table := range there {
				if table.Rows != rows || len(table.Sum) != 32 {
					t.Errorf("%+v, want %d rows", table, rows)
				}
			}
			if d := cmp.Diff(there, copyOf(t, to, back)); d != "" {
				t.Errorf("there and back again (-there +back):\n%s", d)
			}
			if _, err := store.Copy(ctx, store.Options{URL: from}, store.Options{URL: to}); !errors.Is(err, store.ErrNotEmpty) {
				t.Errorf("into a full one: %v", err)
			}
			worksOn(t, to, kinds[1](t))
		})
	}
}

func copyOf(t *testing.T, from, to string) []store.CopiedTable {
	t.Helper()
	out, err := store.Copy(context.Background(), store.Options{URL: from}, store.Options{URL: to})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// worksOn makes sure that a receiver goes on with the copy, and that a copy of it is refused meanwhile.
func worksOn(t *testing.T, url, empty string) {
	t.Helper()
	ctx := context.Background()
	db := storetest.Open(t, url)
	now := time.Now()
	c := cases.Case{ID: "c-new", Key: "k-new", State: cases.New, OpenedAt: now}
	err := db.Commit(ctx, cases.Change{
		Cases: []cases.Case{c}, Events: []cases.Event{{CaseID: c.ID, At: now, Kind: cases.Noted}, {CaseID: c.ID, At: now, Kind: cases.Noted}},
		Actions: []cases.Action{{ID: "a-new", Key: "k", CaseID: c.ID, Kind: cases.Notify, Channel: "log", Lane: "log", State: cases.Due, Due: now}},
	})
	if err != nil {
		t.Fatalf("a new case after the copy: %v", err)
	}
	s, err := db.Story(ctx, c.ID)
	if err != nil || len(s.Events) != 2 || s.Events[0].ID < 300 || s.Events[1].ID <= s.Events[0].ID {
		t.Errorf("its timeline: %+v, %v", s.Events, err)
	}
	got, err := db.Claim(ctx, cases.ClaimRequest{Holder: "h", Channel: "log", Now: now, Lease: time.Minute, Limit: 1})
	if err != nil || len(got) != 1 {
		t.Errorf("its action: %+v, %v", got, err)
	}
	if _, err := store.Copy(ctx, store.Options{URL: url}, store.Options{URL: empty}); !errors.Is(err, store.ErrInUse) && (err == nil || !strings.Contains(err.Error(), "another process uses")) {
		t.Errorf("a copy while a receiver works: %v", err)
	}
}

// Errors of a copy do not show passwords.
func TestCopyErrors(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"mysql://u:secret@h/d", "postgres://u:secret@127.0.0.1:1/x?connect_timeout=1", "postgres://u:secret@[::1"} {
		_, err := store.Copy(context.Background(), store.Options{URL: sqliteURL(t)}, store.Options{URL: bad})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

package store_test

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/store"
	"github.com/foreshock/foreshock/webhook/store/storetest"
)

// Every step of the schema goes back and forward again with data in it: what the older schema has a place for is still there.
func TestMigrationsKeepData(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]storetest.Fresh{"sqlite": sqliteURL, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, url := context.Background(), fresh(t)
			files, err := filepath.Glob("migrations/" + name + "/*.sql")
			if err != nil || len(files) < 3 {
				t.Fatalf("%v, %v", files, err)
			}
			db, err := store.Open(ctx, store.Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			id := alert.Identity{Cluster: "eu", Fingerprint: "f"}
			err = db.Commit(ctx, cases.Change{
				Cases:        []cases.Case{{ID: "c1", Key: "k", Title: "kept", State: cases.New, OpenedAt: now, UpdatedAt: now}},
				Alerts:       []cases.Alert{{Identity: id, CaseID: "c1", Status: alert.Firing, LastFired: now, Last: alert.Alert{Labels: alert.Labels{"a": "b"}}}},
				Events:       []cases.Event{{CaseID: "c1", At: now, Kind: cases.Noted, Note: "kept"}},
				Actions:      []cases.Action{{ID: "a1", Key: "a1", CaseID: "c1", Kind: cases.Notify, Channel: "log", Lane: "log", State: cases.Due, Due: now}},
				Observations: []cases.Observation{{DeliveryID: "d", Identity: id, At: now, Decision: "accepted", Reason: "fired"}},
			})
			if err = join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			for i := len(files) - 1; i > 0; i-- { // back to the version before file i
				text, _, _ := strings.Cut(filepath.Base(files[i-1]), "_")
				version, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				if err := store.Migrate(ctx, store.Options{URL: url}, version); err != nil {
					t.Fatalf("back to %d: %v", version, err)
				}
				db, err := store.Open(ctx, store.Options{URL: url})
				if err != nil {
					t.Fatalf("forward from %d: %v", version, err)
				}
				s, err := db.Story(ctx, "c1")
				if err != nil || s.Case.Title != "kept" || len(s.Alerts) != 1 || len(s.Events) != 1 || s.Events[0].Note != "kept" || len(s.Actions) != 1 {
					t.Errorf("after %d and forward again: %+v, %v", version, s, err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func join(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

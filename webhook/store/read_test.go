package store

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A page or a scrape must not read every row that was ever kept.
func TestCountsReadIndexes(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{URL: "sqlite://" + filepath.Join(t.TempDir(), "w.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range []string{countCases, countGrades, countActions} {
		if plan := planOf(t, db, query); !strings.Contains(plan[0], "USING COVERING INDEX") {
			t.Errorf("%s: %v", query, plan)
		}
	}
}

// What is asked after every delivery must not read all that waits: at a thousand open cases that took most of the processor.
func TestTheQueueReadsIndexes(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{URL: "sqlite://" + filepath.Join(t.TempDir(), "w.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for query, index := range map[string]string{dueChannels: "actions_channel", nextDue: "actions_due", oldestDue: "actions_due"} {
		for _, step := range planOf(t, db, query) {
			if strings.Contains(step, " actions ") && !strings.Contains(step, "USING INDEX "+index) && !strings.Contains(step, "USING COVERING INDEX "+index) {
				t.Errorf("%s: %q does not go by %s", query, step, index)
			}
		}
	}
}

// planOf is how SQLite would answer.
func planOf(t *testing.T, db *DB, query string) []string {
	t.Helper()
	rows, err := db.read(t.Context(), "EXPLAIN QUERY PLAN "+query, slices.Repeat([]any{int64(0)}, strings.Count(query, "?"))...)
	var plan []string
	err = each(rows, err, func(scan func(...any) error) error {
		var id, parent, unused int
		var detail string
		err := scan(&id, &parent, &unused, &detail)
		plan = append(plan, detail)
		return err
	})
	if err != nil || len(plan) == 0 {
		t.Fatalf("%s: %v, %v", query, plan, err)
	}
	return plan
}

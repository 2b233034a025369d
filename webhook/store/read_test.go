package store

import (
	"path/filepath"
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
		rows, err := db.read(t.Context(), "EXPLAIN QUERY PLAN "+query)
		var plan []string
		err = each(rows, err, func(scan func(...any) error) error {
			var id, parent, unused int
			var detail string
			err := scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		})
		if err != nil || len(plan) == 0 || !strings.Contains(plan[0], "USING COVERING INDEX") {
			t.Errorf("%s: %v, %v", query, plan, err)
		}
	}
}

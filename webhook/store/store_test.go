package store_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/store"
	"github.com/foreshock/foreshock/webhook/store/storetest"
)

func sqliteURL(t testing.TB) string { return "sqlite://" + filepath.Join(t.TempDir(), "w.db") }

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, sqliteURL)
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Postgres)
}

func TestSQLiteOneProcess(t *testing.T) {
	t.Parallel()
	url := sqliteURL(t)
	db := storetest.Open(t, url)
	if _, err := store.Open(context.Background(), store.Options{URL: url}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("second opening: %v", err)
	}
	// Reading beside it is fine.
	ro, err := store.Open(context.Background(), store.Options{URL: url, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	c := cases.Case{ID: "c1", Key: "k", State: cases.New}
	if err := db.Commit(context.Background(), cases.Change{Cases: []cases.Case{c}}); err != nil {
		t.Fatal(err)
	}
	if got, err := ro.Cases(context.Background(), cases.Query{}); err != nil || len(got) != 1 {
		t.Errorf("reading beside the owner: %v, %v", got, err)
	}
	if err := ro.Commit(context.Background(), cases.Change{Cases: []cases.Case{c}}); err == nil {
		t.Error("a store opened for reading takes changes")
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                     "unknown kind",
		"mysql://x":                            "unknown kind",
		"sqlite:":                              "has no path",
		"sqlite:///dev/null/x/w.db":            "not a directory",
		"postgres://u:secret@[::1":             "cannot be read",
		"postgres://u:%zzsecret@127.0.0.1:1/x": "cannot be read",
		"postgres://u:secret#a@127.0.0.1:1/x":  "cannot be read",
		"postgres://u:secret/a@127.0.0.1:1/x":  "cannot be read",
		"postgres://localhost:1/secret@127.0.0.1/x?connect_timeout=1": "cannot be read",
		"postgres://localhost:1?secret@127.0.0.1/x":                   "cannot be read",
		"postgres://u:secret@127.0.0.1:1/x?connect_timeout=1":         "127.0.0.1",
	} {
		_, err := store.Open(context.Background(), store.Options{URL: url})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q): %v, want ... %s", url, err, want)
		}
	}
}

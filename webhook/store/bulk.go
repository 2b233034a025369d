package store

import (
	"context"
	"strings"
	"sync"
)

// table is an INSERT of many rows.
type table struct {
	name    string
	columns []string
	suffix  string // ON CONFLICT …
	cache   *sync.Map
}

func newTable(name, columns, suffix string) table {
	return table{name: name, columns: strings.Fields(columns), suffix: suffix, cache: &sync.Map{}}
}

// upsert is a table whose rows carry a version: a row is written when it is new
// or when the stored version is the one before.
func upsert(name, key, columns string) table {
	var set []string
	for _, c := range strings.Fields(columns) {
		set = append(set, c+" = excluded."+c)
	}
	return newTable(name, key+" "+columns, "ON CONFLICT ("+strings.Join(strings.Fields(key), ", ")+") DO UPDATE SET "+
		strings.Join(set, ", ")+" WHERE "+name+".version = excluded.version - 1")
}

// maxRows bounds one statement: 64 rows of at most 30 columns stay far below
// what either database takes.
const maxRows = 64

// maxArgs bounds the arguments of one statement of SQLite: its driver looks for
// each among all of them.
const maxArgs = 128

// insert writes the rows and returns how many were written. The statements have
// 64, 32, 16, … 1 rows, so that there are few different ones to prepare.
func (tb table) insert(ctx context.Context, t tx, rows [][]any) (written int64, err error) {
	n := maxRows
	for t.dialectName() == "sqlite" && n > 1 && n*len(tb.columns) > maxArgs {
		n /= 2
	}
	for len(rows) > 0 {
		for n > len(rows) {
			n /= 2
		}
		args := make([]any, 0, n*len(tb.columns))
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		w, err := t.exec(ctx, tb.statement(n), args...)
		if err != nil {
			return written, err
		}
		written += w
		rows = rows[n:]
	}
	return written, nil
}

func (tb table) statement(n int) string {
	if s, ok := tb.cache.Load(n); ok {
		return s.(string)
	}
	row := "(" + marks(len(tb.columns)) + ")"
	s := "INSERT INTO " + tb.name + " (" + strings.Join(tb.columns, ", ") + ") VALUES " +
		strings.TrimSuffix(strings.Repeat(row+", ", n), ", ") + " " + tb.suffix
	tb.cache.Store(n, s)
	return s
}

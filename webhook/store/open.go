package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// DB is a Store in SQLite or PostgreSQL.
type DB struct {
	dialect dialect
	reads   *sql.DB
	writer  writer
	now     func() time.Time
	closers []func() error // in the order in which they are to be called
	asked   *sync.Map      // of SQLite: *sql.Stmt by query, see ask
}

var _ Store = (*DB)(nil)

// tx is an open transaction. Queries are written with ? for arguments.
type tx interface {
	exec(ctx context.Context, query string, args ...any) (int64, error) // rows affected
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	dialectName() string // "sqlite" or "postgres"
}

// writer runs a function in a transaction that is durable when write returns
// nil. The function may be run more than once.
type writer interface {
	write(ctx context.Context, f func(context.Context, tx) error) error
}

// Open opens the store, bringing its schema up to date. A SQLite file belongs
// to one process at a time: opening it twice is an error that says so. Errors
// do not hold the URL's password.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	scheme, rest, _ := strings.Cut(o.URL, ":")
	var db *DB
	var err error
	switch scheme {
	case "sqlite":
		db, err = openSQLite(ctx, strings.TrimPrefix(rest, "//"), o)
	case "postgres", "postgresql":
		db, err = openPostgres(ctx, o)
	default:
		return nil, errors.New("store URL: unknown kind: want sqlite:///absolute/path.db, sqlite:relative.db or postgres://user:password@host:port/database")
	}
	if err != nil {
		return nil, fmt.Errorf("opening the %s store: %w", scheme, err)
	}
	db.now = o.Now
	return db, nil
}

// Close waits for running writes and closes.
func (db *DB) Close() error {
	var errs []error
	for _, c := range db.closers {
		errs = append(errs, c())
	}
	db.closers = nil
	return errors.Join(errs...)
}

// Ready proves that the store can write, durably.
func (db *DB) Ready(ctx context.Context) error {
	err := db.writer.write(ctx, func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, `INSERT INTO meta (name, value) VALUES ('ready', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
			db.now().UTC().Format(time.RFC3339))
		return err
	})
	if err != nil {
		return fmt.Errorf("the store cannot write: %w", err)
	}
	return nil
}

// read runs a query outside of any write.
func (db *DB) read(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return db.reads.QueryContext(ctx, db.dialect.rebind(query), args...)
}

// ask is read for a query that every delivery asks: SQLite prepares it once. (The
// driver of PostgreSQL sees to that itself.) There must be few different ones.
func (db *DB) ask(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if db.asked == nil {
		return db.read(ctx, query, args...)
	}
	known, ok := db.asked.Load(query)
	if !ok {
		s, err := db.reads.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		if known, ok = db.asked.LoadOrStore(query, s); ok {
			_ = s.Close() //nolint:sqlclosecheck // another one was first; the kept one is closed with the database
		}
	}
	return known.(*sql.Stmt).QueryContext(ctx, args...) // closed with the database
}

// each calls f for every row and closes rows.
func each(rows *sql.Rows, err error, f func(scan func(...any) error) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

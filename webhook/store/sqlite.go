package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	_ "modernc.org/sqlite" // the driver
)

// readers is how many SQLite connections read beside the writer.
const readers = 4

func openSQLite(ctx context.Context, path string, o Options) (*DB, error) {
	if path == "" {
		return nil, errors.New("store URL: has no path: want sqlite:///absolute/path.db")
	}
	db := &DB{dialect: dialect{name: "sqlite"}, asked: &sync.Map{}}
	fail := func(err error) (*DB, error) { return nil, errors.Join(err, db.Close()) }
	if o.ReadOnly {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
		db.writer = readOnly{}
	} else {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return nil, err
		}
		unlock, err := lockFile(path + ".lock")
		if err != nil {
			return nil, err
		}
		w, err := openWriter(ctx, path, o)
		if err != nil {
			return nil, errors.Join(err, unlock())
		}
		db.writer, db.closers = w, []func() error{w.close, unlock}
	}
	reads, err := sql.Open("sqlite", dsn(path, o))
	if err != nil {
		return fail(err)
	}
	reads.SetMaxOpenConns(readers)
	reads.SetMaxIdleConns(readers)
	db.reads = reads
	db.closers = append([]func() error{reads.Close}, db.closers...)
	if err := reads.PingContext(ctx); err != nil {
		return fail(err)
	}
	return db, nil
}

// dsn names the file and its settings: write-ahead log, a commit is on disk
// before it returns, a lock is waited for, and what a savepoint needs stays in
// memory.
func dsn(path string, o Options) string {
	sync := "synchronous(FULL)"
	if o.Scratch {
		sync = "synchronous(OFF)"
	}
	q := url.Values{"_pragma": {"busy_timeout(5000)", sync, "cache_size(-32000)", "temp_store(MEMORY)"}}
	if o.ReadOnly {
		q.Set("mode", "ro")
	} else {
		q.Add("_pragma", "journal_mode(WAL)")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// sqliteWriter is the one connection that writes. Jobs that wait while a commit
// goes to disk share the next one; each is a savepoint, so that one that fails
// leaves the others alone.
type sqliteWriter struct {
	pool  *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	jobs  chan *job
	stop  chan struct{} // closed to end run
	ended chan struct{} // closed when run has ended
	once  sync.Once
}

type job struct {
	ctx   context.Context
	f     func(context.Context, tx) error
	begun atomic.Bool   // f runs or has run; or its caller gave it up before
	ran   chan struct{} // closed when f has ended
	done  chan error
	err   error
}

// maxBatch bounds how many jobs share a commit, and with it how long the first
// one waits for it.
const maxBatch = 128

func openWriter(ctx context.Context, path string, o Options) (*sqliteWriter, error) {
	pool, err := sql.Open("sqlite", dsn(path, o))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	if err := migrateUp(ctx, pool, "sqlite"); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	w := &sqliteWriter{pool: pool, conn: conn, stmts: map[string]*sql.Stmt{}, jobs: make(chan *job, maxBatch), stop: make(chan struct{}), ended: make(chan struct{})}
	// Whatever ran under an earlier process of this file is free to be reaped.
	if _, err := w.exec(ctx, `UPDATE actions SET lease_until = 1 WHERE state = 'running'`); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	go w.run() // until stopRun
	return w, nil
}

func (w *sqliteWriter) close() error {
	w.stopRun()
	return w.pool.Close()
}

// stopRun ends the writing goroutine and gives its connection back.
func (w *sqliteWriter) stopRun() {
	w.once.Do(func() {
		close(w.stop)
		<-w.ended
		for _, s := range w.stmts {
			_ = s.Close()
		}
		_ = w.conn.Close() // back to the pool
	})
}

// errClosed answers writes after Close.
var errClosed = errors.New("the store is closed")

// write returns when f does not run and will not run any more, so that what f
// has set may be read.
func (w *sqliteWriter) write(ctx context.Context, f func(context.Context, tx) error) error {
	j := &job{ctx: ctx, f: f, ran: make(chan struct{}), done: make(chan error, 1)}
	select {
	case w.jobs <- j:
	case <-w.stop:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done(): // what has begun may still be committed: the caller will try again
		if j.begun.Swap(true) {
			<-j.ran
		}
		return ctx.Err()
	case <-w.ended: // nobody looks at the queue any more
	}
	select {
	case err := <-j.done:
		return err
	default:
		return errClosed
	}
}

func (w *sqliteWriter) run() {
	defer close(w.ended)
	for {
		select {
		case j := <-w.jobs:
			w.batch(j)
		case <-w.stop:
			for {
				select {
				case j := <-w.jobs:
					j.done <- errClosed
				default:
					return
				}
			}
		}
	}
}

// batch runs first and everything that waits behind it in one transaction.
func (w *sqliteWriter) batch(first *job) {
	// A cancelled statement would take the whole transaction with it.
	ctx := context.WithoutCancel(first.ctx)
	if _, err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		first.done <- err
		return
	}
	// The first needs no savepoint, which would cost every later statement the
	// more the more pages changed before: there is nothing else to keep yet.
	batch := []*job{first}
	if w.runFirst(ctx, first); first.err != nil {
		_, _ = w.exec(ctx, "ROLLBACK") // it may be rolled back already
		first.done <- first.err
		return
	}
	for more := true; more && len(batch) < maxBatch; {
		select {
		case j := <-w.jobs:
			batch = append(batch, j)
			w.run1(ctx, j)
		default:
			more = false
		}
	}
	_, err := w.exec(ctx, "COMMIT")
	if err != nil {
		_, _ = w.exec(ctx, "ROLLBACK") // it may be rolled back already
	}
	for _, j := range batch {
		j.done <- errors.Join(j.err, err)
	}
}

// runFirst runs the job that a transaction was begun for.
func (w *sqliteWriter) runFirst(ctx context.Context, j *job) {
	if j.begun.Swap(true) {
		j.err = j.ctx.Err()
		return
	}
	defer close(j.ran)
	if j.err = j.ctx.Err(); j.err == nil {
		j.err = j.f(ctx, w)
	}
}

// run1 runs a job within a savepoint.
func (w *sqliteWriter) run1(ctx context.Context, j *job) {
	if j.begun.Swap(true) {
		j.err = j.ctx.Err()
		return
	}
	defer close(j.ran)
	if j.err = j.ctx.Err(); j.err != nil {
		return
	}
	if _, j.err = w.exec(ctx, "SAVEPOINT job"); j.err != nil {
		return
	}
	if j.err = j.f(ctx, w); j.err != nil {
		if _, err := w.exec(ctx, "ROLLBACK TO job"); err != nil {
			j.err = fmt.Errorf("%w (and going back failed: %w)", j.err, err)
		}
	}
	if _, err := w.exec(ctx, "RELEASE job"); err != nil && j.err == nil {
		j.err = err
	}
}

func (w *sqliteWriter) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := w.stmts[query]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(ctx, query)
	if err == nil {
		w.stmts[query] = s
	}
	return s, err
}

func (w *sqliteWriter) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := w.stmt(ctx, query) //nolint:sqlclosecheck // kept for the next time; closed with the connection
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (w *sqliteWriter) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := w.stmt(ctx, query) //nolint:sqlclosecheck // kept for the next time; closed with the connection
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (*sqliteWriter) dialectName() string { return "sqlite" }

// readOnly refuses writes.
type readOnly struct{}

func (readOnly) write(context.Context, func(context.Context, tx) error) error {
	return errors.New("the store was opened for reading only")
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// connections to PostgreSQL per process: concurrent commits share its flush to
// disk, and more than that do not make a small server faster.
const connections = 16

func openPostgres(ctx context.Context, o Options) (*DB, error) {
	if err := checkURL(o.URL); err != nil {
		return nil, err
	}
	cfg, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, err // pgx leaves the password out
	}
	// The answer 200 promises durability, whatever the server's default is.
	cfg.RuntimeParams["synchronous_commit"] = "on"
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "foreshock-webhook"
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	if err := migrateUp(ctx, pool, "postgres"); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	d := dialect{name: "postgres", numbered: true, skip: " FOR UPDATE SKIP LOCKED", rebound: &sync.Map{}}
	return &DB{dialect: d, reads: pool, writer: &pgWriter{pool: pool, dialect: d}, closers: []func() error{pool.Close}}, nil
}

// checkURL refuses an address whose password is not where parsers look for it:
// their own errors, and those of connecting, would show a part of it.
func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || strings.Contains(u.EscapedPath()+u.RawQuery+u.EscapedFragment(), "@") {
		return errors.New("the URL cannot be read: want postgres://user:password@host:port/database, with the characters :/?#[]@% of user and password written as %3A, %2F, …")
	}
	return nil
}

type pgWriter struct {
	pool    *sql.DB
	dialect dialect
}

// maxRetries of a transaction that PostgreSQL itself gave up (deadlock,
// serialisation): a second try nearly always works.
const maxRetries = 5

func (w *pgWriter) write(ctx context.Context, f func(context.Context, tx) error) error {
	for try := 1; ; try++ {
		err := w.once(ctx, f)
		var pe *pgconn.PgError
		if err == nil || try == maxRetries || !errors.As(err, &pe) || (pe.Code != "40001" && pe.Code != "40P01") {
			return err
		}
	}
}

func (w *pgWriter) once(ctx context.Context, f func(context.Context, tx) error) error {
	t, err := w.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(ctx, pgTx{t, w.dialect}); err != nil {
		return errors.Join(err, ignoreDone(t.Rollback()))
	}
	return t.Commit()
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

type pgTx struct {
	t       *sql.Tx
	dialect dialect
}

func (p pgTx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := p.t.ExecContext(ctx, p.dialect.rebind(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (p pgTx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return p.t.QueryContext(ctx, p.dialect.rebind(query), args...)
}

func (p pgTx) dialectName() string { return p.dialect.name }

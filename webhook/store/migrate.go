package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// migrations of one database. With PostgreSQL several processes may start at
// once: one migrates, the others wait.
func provider(pool *sql.DB, name string) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil {
		return nil, err
	}
	kind, opts := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if name == "postgres" {
		kind = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(kind, pool, dir, opts...)
}

func migrateUp(ctx context.Context, pool *sql.DB, name string) error {
	p, err := provider(pool, name)
	if err != nil {
		return fmt.Errorf("preparing the migrations: %w", err)
	}
	have, known, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the schema's version: %w", err)
	}
	if have > known {
		return fmt.Errorf("the schema is version %d, made by a newer program; this one knows up to %d", have, known)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating the schema: %w", err)
	}
	return nil
}

// Migrate brings the schema to a version: up, or down with the loss of what
// older versions have no place for; 0 removes everything. Open always goes to
// the newest.
func Migrate(ctx context.Context, o Options, version int64) error {
	db, err := Open(ctx, o)
	if err != nil {
		return err
	}
	pool := db.reads
	if w, ok := db.writer.(*sqliteWriter); ok {
		w.stopRun()
		pool = w.pool
	}
	p, err := provider(pool, db.dialect.name)
	if err == nil {
		_, err = p.DownTo(ctx, version)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("migrating to version %d: %w", version, err)
	}
	return nil
}

package store

import (
	"context"
	"errors"
)

// DB is a Store in SQLite or PostgreSQL.
type DB struct{ Store }

// Open opens the store, bringing its schema up to date. A SQLite file belongs to one
// process at a time: opening it twice is an error that says so.
func Open(ctx context.Context, o Options) (*DB, error) { return nil, errors.New("not written yet") }

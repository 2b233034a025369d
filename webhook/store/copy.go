package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// ErrNotEmpty is returned by Copy when the target holds anything.
var ErrNotEmpty = errors.New("the target is not empty")

// ErrInUse is returned by Copy when a receiver works on one of the stores.
var ErrInUse = errors.New("a receiver uses this database: stop it first")

// CopiedTable is what Copy moved of one table. Sum is the same for the same rows in any order and in either database.
type CopiedTable struct {
	Name string
	Rows int64
	Sum  string // hexadecimal
}

// Copy moves everything of one store into another, empty one, of either kind: every table, whoever made it. It is one transaction of the
// target, which is read again before it is committed: with an error the target is as empty as before, and the source is never changed. Both
// schemas are brought up to date first. Receivers must be stopped, which is checked: by the lock of a SQLite file, by the sessions of PostgreSQL.
func Copy(ctx context.Context, from, to Options) (_ []CopiedTable, err error) {
	source, err := openCopy(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("the source: %w", err)
	}
	defer func() { err = errors.Join(err, source.close()) }()
	target, err := openCopy(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("the target: %w", err)
	}
	defer func() { err = errors.Join(err, target.close()) }()
	tables, err := source.tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the tables of the source: %w", err)
	}
	if err := target.fits(ctx, tables); err != nil {
		return nil, fmt.Errorf("the target: %w", err)
	}
	if err := source.begin(ctx, tables, "SHARE"); err != nil {
		return nil, fmt.Errorf("the source: %w", err)
	}
	if err := target.begin(ctx, tables, "ACCESS EXCLUSIVE"); err != nil {
		return nil, fmt.Errorf("the target: %w", err)
	}
	var out []CopiedTable
	for _, t := range tables {
		one, err := copyTable(ctx, source, target, t)
		if err != nil {
			return nil, fmt.Errorf("copying the table %s: %w", t.name, err)
		}
		out = append(out, one)
	}
	if _, err := target.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return nil, fmt.Errorf("the target: committing: %w", err)
	}
	return out, nil
}

// side is one end of a copy: a store with one connection to it.
type side struct {
	db   *DB
	conn *sql.Conn
}

// column is a column of a table; kind is "int", "float", "bool", "text" or "bytes".
type column struct{ name, kind string }

type copied struct {
	name    string
	columns []column // by name
}

func (c copied) names() []string {
	out := make([]string, len(c.columns))
	for i, col := range c.columns {
		out[i] = col.name
	}
	return out
}

// copyName is how a copy's sessions are called in PostgreSQL, other than a receiver's.
const copyName = "foreshock-webhook-migrate"

func openCopy(ctx context.Context, o Options) (*side, error) {
	if strings.HasPrefix(o.URL, "postgres") {
		if err := checkURL(o.URL); err != nil {
			return nil, err
		}
		u, err := url.Parse(o.URL)
		if err != nil {
			return nil, errors.New("the URL cannot be read") // its own error would show it
		}
		q := u.Query()
		q.Set("application_name", copyName)
		u.RawQuery = q.Encode()
		o.URL = u.String()
	}
	db, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	pool := db.reads
	if w, ok := db.writer.(*sqliteWriter); ok {
		w.stopRun() // its connection is the only one that may write
		pool = w.pool
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &side{db, conn}, nil
}

func (s *side) close() error {
	// Outside of a transaction this is an error, or a warning, and nothing else.
	_, _ = s.conn.ExecContext(context.Background(), "ROLLBACK")
	return errors.Join(s.conn.Close(), s.db.Close())
}

func (s *side) postgres() bool { return s.db.dialect.name == "postgres" }

// tables lists all tables but that of the schema's version, with their columns.
func (s *side) tables(ctx context.Context) ([]copied, error) {
	query := `SELECT m.name, p.name, lower(p.type) FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`
	if s.postgres() {
		query = `SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c JOIN information_schema.tables t
			ON t.table_schema = c.table_schema AND t.table_name = c.table_name WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'`
	}
	rows, err := s.conn.QueryContext(ctx, query)
	all := map[string][]column{}
	err = each(rows, err, func(scan func(...any) error) error {
		var table, name, kind string
		if err := scan(&table, &name, &kind); err != nil {
			return err
		}
		known, err := kindOf(kind)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", table, name, err)
		}
		if table != "goose_db_version" {
			all[table] = append(all[table], column{name, known})
		}
		return nil
	})
	var out []copied
	for name, columns := range all {
		slices.SortFunc(columns, func(a, b column) int { return strings.Compare(a.name, b.name) })
		out = append(out, copied{name, columns})
	}
	slices.SortFunc(out, func(a, b copied) int { return strings.Compare(a.name, b.name) })
	return out, err
}

func kindOf(declared string) (string, error) {
	switch declared {
	case "bigint", "integer", "int", "smallint":
		return "int", nil
	case "double precision", "real", "double", "float":
		return "float", nil
	case "boolean", "timestamp", "datetime", "timestamp without time zone": // goose's own, which is left out
		return "bool", nil
	case "text":
		return "text", nil
	case "bytea", "blob":
		return "bytes", nil
	}
	return "", fmt.Errorf("the type %q is not one that is copied", declared)
}

// fits makes sure that the target has the same tables and columns, and nothing in them but keys of its own.
func (s *side) fits(ctx context.Context, want []copied) error {
	have, err := s.tables(ctx)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(want, have, func(a, b copied) bool { return a.name == b.name && slices.Equal(a.names(), b.names()) })
	if !same {
		return errors.New("its tables are not those of the source: use one version of the program for both")
	}
	for _, t := range have {
		if t.name == "meta" {
			continue // whoever opened it once left a line there; those of the source replace it
		}
		var n int64
		if err := s.conn.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+t.name+" LIMIT 1) AS x").Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%w: the table %s has rows", ErrNotEmpty, t.name)
		}
	}
	return nil
}

// begin opens the transaction of the copy, in which nobody else writes.
func (s *side) begin(ctx context.Context, tables []copied, lock string) error {
	if !s.postgres() {
		_, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		return err
	}
	var others int
	err := s.conn.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'foreshock-webhook'`).Scan(&others)
	if err != nil {
		return err
	}
	if others > 0 {
		return fmt.Errorf("%w (it has %d sessions)", ErrInUse, others)
	}
	var names []string
	for _, t := range tables {
		names = append(names, t.name)
	}
	for _, query := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "SET LOCAL lock_timeout = '10s'", "LOCK TABLE " + strings.Join(names, ", ") + " IN " + lock + " MODE"} {
		if _, err := s.conn.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

func copyTable(ctx context.Context, source, target *side, t copied) (CopiedTable, error) {
	one := CopiedTable{Name: t.name}
	if t.name == "meta" {
		if _, err := target.conn.ExecContext(ctx, "DELETE FROM meta"); err != nil {
			return one, err
		}
	}
	rows, err := source.read(ctx, t)
	if err != nil {
		return one, err
	}
	defer rows.Close()
	var sent digest
	next := func() ([]any, error) {
		if !rows.Next() {
			return nil, rows.Err()
		}
		row, err := scanRow(rows, t)
		if err == nil {
			sent.add(row)
		}
		return row, err
	}
	if err := target.write(ctx, t, next); err != nil {
		return one, err
	}
	var kept digest
	if err := target.sum(ctx, t, &kept); err != nil {
		return one, err
	}
	if one.Rows, one.Sum = kept.rows, kept.String(); sent != kept {
		return one, fmt.Errorf("what arrived is not what was sent: %d rows (%s) of %d (%s)", kept.rows, &kept, sent.rows, &sent)
	}
	return one, nil
}

func (s *side) read(ctx context.Context, t copied) (*sql.Rows, error) {
	return s.conn.QueryContext(ctx, "SELECT "+strings.Join(t.names(), ", ")+" FROM "+t.name)
}

func (s *side) sum(ctx context.Context, t copied, d *digest) error {
	rows, err := s.read(ctx, t)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := scanRow(rows, t)
		if err != nil {
			return err
		}
		d.add(row)
	}
	return rows.Err()
}

// scanRow reads a row as values of the columns' kinds, whichever database it is from.
func scanRow(rows *sql.Rows, t copied) ([]any, error) {
	row := make([]any, len(t.columns))
	for i, c := range t.columns {
		switch c.kind {
		case "int":
			row[i] = new(sql.NullInt64)
		case "float":
			row[i] = new(sql.NullFloat64)
		case "bool":
			row[i] = new(sql.NullBool)
		case "text":
			row[i] = new(sql.NullString)
		default:
			row[i] = new([]byte)
		}
	}
	if err := rows.Scan(row...); err != nil {
		return nil, err
	}
	for i := range row {
		switch v := row[i].(type) {
		case *sql.NullInt64:
			row[i] = orNil(v.Valid, v.Int64)
		case *sql.NullFloat64:
			row[i] = orNil(v.Valid, v.Float64)
		case *sql.NullBool:
			row[i] = orNil(v.Valid, v.Bool)
		case *sql.NullString:
			row[i] = orNil(v.Valid, v.String)
		case *[]byte:
			row[i] = orNil(*v != nil, *v)
		}
	}
	return row, nil
}

func orNil(valid bool, v any) any {
	if !valid {
		return nil
	}
	return v
}

// write stores the rows that next gives until it gives nil.
func (s *side) write(ctx context.Context, t copied, next func() ([]any, error)) error {
	if s.postgres() {
		return s.stream(ctx, t, next)
	}
	insert, err := s.conn.PrepareContext(ctx, "INSERT INTO "+t.name+" ("+strings.Join(t.names(), ", ")+") VALUES ("+marks(len(t.columns))+")")
	if err != nil {
		return err
	}
	defer insert.Close()
	for {
		row, err := next()
		if err != nil || row == nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
}

// stream uses PostgreSQL's COPY, and moves the counters of identity columns behind what came.
func (s *side) stream(ctx context.Context, t copied, next func() ([]any, error)) error {
	err := s.conn.Raw(func(driver any) error {
		_, err := driver.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{t.name}, t.names(), pgx.CopyFromFunc(next))
		return err
	})
	if err != nil {
		return err
	}
	rows, err := s.conn.QueryContext(ctx, `SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 AND is_identity = 'YES'`, t.name)
	var counted []string
	err = each(rows, err, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		counted = append(counted, name)
		return err
	})
	for _, name := range counted {
		if err == nil {
			_, err = s.conn.ExecContext(ctx, `SELECT setval(pg_get_serial_sequence('`+t.name+`', '`+name+`'), (SELECT coalesce(max(`+name+`), 0) + 1 FROM `+t.name+`), false)`)
		}
	}
	return err
}

// digest sums rows up, whatever their order: the sum of a hash of each, modulo 2^256 in four words without carry.
type digest struct {
	rows int64
	sum  [4]uint64
}

func (d *digest) add(row []any) {
	h := sha256.New()
	var b []byte
	for _, v := range row {
		switch v := v.(type) {
		case nil:
			b = append(b[:0], 'n')
		case int64:
			b = binary.BigEndian.AppendUint64(append(b[:0], 'i'), uint64(v))
		case float64:
			b = binary.BigEndian.AppendUint64(append(b[:0], 'f'), math.Float64bits(v))
		case bool:
			b = append(b[:0], 'b', byte(number(v)))
		case string:
			b = append(binary.BigEndian.AppendUint64(append(b[:0], 's'), uint64(len(v))), v...)
		case []byte:
			b = append(binary.BigEndian.AppendUint64(append(b[:0], 's'), uint64(len(v))), v...)
		}
		_, _ = h.Write(b)
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	for i := range d.sum {
		d.sum[i] += binary.BigEndian.Uint64(sum[8*i:])
	}
	d.rows++
}

// String is the sum in hexadecimal, the first half: enough to compare by eye.
func (d *digest) String() string {
	b := binary.BigEndian.AppendUint64(nil, d.sum[0])
	return hex.EncodeToString(binary.BigEndian.AppendUint64(b, d.sum[1]))
}

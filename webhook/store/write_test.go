package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// A caller whose context ends while its function runs reads what the function
// set: write comes back when the function has ended, and not before.
func TestWriteGivenUp(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{URL: "sqlite://" + filepath.Join(t.TempDir(), "w.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err = db.writer.write(ctx, func(context.Context, tx) error {
		cancel()
		time.Sleep(20 * time.Millisecond) // long enough for a caller that does not wait
		n = 1
		return nil
	})
	if n != 1 || (err != nil && !errors.Is(err, context.Canceled)) {
		t.Errorf("write came back with %v and n = %d, want 1", err, n)
	}
	// One that was given up before its turn is not run any more.
	gate := make(chan struct{})
	first := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		first <- db.writer.write(t.Context(), func(context.Context, tx) error {
			close(begun)
			<-gate
			return nil
		})
	}()
	<-begun
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	err = db.writer.write(ctx, func(context.Context, tx) error {
		n = 2
		return nil
	})
	close(gate)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := db.writer.write(t.Context(), func(context.Context, tx) error { return nil }); err != nil {
		t.Error(err)
	}
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("a write that was given up before its turn: %v, n = %d", err, n)
	}
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

func TestBackfillIsWhatTheShopDid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := monday.Add(7 * time.Hour)
	end := start.Add(60 * time.Hour)
	var shares []float64
	if err := backfill(t.Context(), dir, newShop(start, 1), end, func(x float64) { shares = append(shares, x) }); err != nil {
		t.Fatal(err)
	}
	if len(shares) != 3 || shares[2] != 1 {
		t.Errorf("progress: %v, want three blocks up to 1", shares)
	}
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	q, err := db.Querier(start.UnixMilli(), end.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	found := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "job", shopJob))
	count := 0
	for found.Next() {
		s := found.At()
		count++
		n, next, last := 0, start.UnixMilli(), -1.0
		for it := s.Iterator(nil); it.Next() == chunkenc.ValFloat; n++ {
			at, x := it.At()
			if at != next || x < last {
				t.Fatalf("%s: sample %d is %v at %d, want at %d and at least %v", s.Labels(), n, x, at, next, last)
			}
			next, last = at+shopStep.Milliseconds(), x
		}
		if want := int(end.Sub(start) / shopStep); n != want {
			t.Errorf("%s: %d samples, want %d", s.Labels(), n, want)
		}
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	if count != 16 {
		t.Errorf("%d series, want 16", count)
	}
}

func TestBackfillEndsWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := backfill(ctx, t.TempDir(), newShop(monday, 1), monday.Add(time.Hour), func(float64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

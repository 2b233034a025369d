package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// history is how far back the shop's series reach: two weeks of training, and two days so that the fit of the day before has all of them.
const history = 16 * 24 * time.Hour

// blockSpan is what one block holds. Blocks begin at multiples of it, as those of a Prometheus do.
const blockSpan = 24 * time.Hour

// backfill moves the shop from where it is up to end and writes its counters, one sample per shopStep, as blocks into a data directory of
// Prometheus (from 2.42 on) that no Prometheus has open. Target labels are those that the live scrape gets. Progress is told per block as a share.
func backfill(ctx context.Context, dir string, s *shop, end time.Time, progress func(share float64)) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	start := s.now
	for from := start; from.Before(end); {
		to := from.Truncate(blockSpan).Add(blockSpan)
		if to.After(end) {
			to = end
		}
		if err := writeBlock(ctx, dir, s, to); err != nil {
			return fmt.Errorf("writing the history from %s to %s: %w", from.Format(time.RFC3339), to.Format(time.RFC3339), err)
		}
		from = to
		progress(float64(from.Sub(start)) / float64(end.Sub(start)))
	}
	return nil
}

// writeBlock writes [s.now, to) as one block.
func writeBlock(ctx context.Context, dir string, s *shop, to time.Time) (err error) {
	w, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), dir, blockSpan.Milliseconds())
	if err != nil {
		return err
	}
	defer func() {
		if closing := w.Close(); err == nil {
			err = closing
		}
	}()
	refs := map[int]storage.SeriesRef{}
	names := map[int]labels.Labels{}
	for s.now.Before(to) {
		if err := ctx.Err(); err != nil {
			return err
		}
		app := w.Appender(ctx)
		for range 240 { // an hour per commit
			if !s.now.Before(to) {
				break
			}
			for i, m := range s.samples() {
				if _, ok := names[i]; !ok {
					names[i] = m.labels()
				}
				if refs[i], err = app.Append(refs[i], names[i], s.now.UnixMilli(), m.value); err != nil {
					return errors.Join(err, app.Rollback())
				}
			}
			s.advance(s.now.Add(shopStep))
		}
		if err := app.Commit(); err != nil {
			return err
		}
	}
	_, err = w.Flush(ctx)
	return err
}

// shopJob is the job and instance label of the shop's series, in history and live.
const shopJob = "shop"

func (m shopSample) labels() labels.Labels {
	b := labels.NewScratchBuilder(5)
	b.Add(model.MetricNameLabel, m.name)
	if m.code != "" {
		b.Add("code", m.code)
	}
	b.Add("instance", shopJob)
	b.Add("job", shopJob)
	b.Add("service", m.service)
	b.Sort()
	return b.Labels()
}

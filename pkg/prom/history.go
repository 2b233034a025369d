package prom

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock/pkg/series"
)

// History is how far back the samples of a server reach. The zero value knows nothing.
type History struct {
	Retention time.Duration // older samples are deleted; 0 = unknown or without limit of time
	Lowest    int64         // older samples have been deleted for their size, Unix milliseconds; 0 = none, or unknown
	Sure      bool          // whether nothing newer than that can have been deleted
}

// lowestExpr gives the time of the oldest sample of a Prometheus that has filled its limit of size, 0 for one that has not: deleting takes
// a tenth of the blocks at a time. Only a Prometheus that scrapes itself, and no other, gives exactly one.
const lowestExpr = `prometheus_tsdb_lowest_timestamp_seconds * (prometheus_tsdb_storage_blocks_bytes > bool (0.5 * prometheus_tsdb_retention_limit_bytes))`

// History asks for the retention, and where that has a limit of size, for the oldest sample. now is the time in milliseconds. With an
// error it returns what is known all the same.
func (c *Client) History(ctx context.Context, now int64) (History, error) {
	r, err := c.RuntimeInfo(ctx)
	if err != nil {
		return History{}, err
	}
	h := History{Retention: r.Retention, Sure: r.Retention > 0}
	if !r.Sized {
		return h, nil
	}
	h.Sure = false
	v, err := c.instant(ctx, call{aside: true}, lowestExpr, now)
	switch {
	case kind(err) == KindBadQuery: // it does not tell, as below
		return h, nil
	case err != nil:
		return h, err
	case len(v.Samples) != 1:
		return h, nil
	}
	if at := v.Samples[0].Value * 1000; at >= 0 && at <= float64(now) {
		h.Lowest, h.Sure = int64(math.Ceil(at)), true
	}
	return h, nil
}

// Start returns the earliest time of which the server can have samples, 0 when it is not known.
func (h History) Start(now int64) int64 {
	if h.Retention > 0 {
		return max(h.Lowest, now-h.Retention.Milliseconds())
	}
	return h.Lowest
}

// together is how near to each other series begin that deletion has cut: whole blocks go, two hours at the least.
const together = int64(3 * 60 * 60 * 1000)

// Cut returns the time at which more than half of the series begin together, well after the beginning of their grid, when older samples
// may have been deleted without a word. Series of a server that is itself new look the same, and one series alone tells nothing.
func (h History) Cut(set series.Set) (at int64, ok bool) {
	if h.Sure || len(set.Members) < 2 {
		return 0, false
	}
	late := set.Grid.Start + max(together, int64(set.Grid.N)*set.Grid.Step/50)
	var begins []int64
	for _, s := range set.Members {
		if i := s.FirstPresent(); i >= 0 && s.Grid.At(i) > late {
			begins = append(begins, s.Grid.At(i))
		}
	}
	slices.Sort(begins)
	most := len(set.Members) / 2
	for i := 0; i+most < len(begins); i++ {
		if begins[i+most]-begins[i] <= together {
			return begins[i], true
		}
	}
	return 0, false
}

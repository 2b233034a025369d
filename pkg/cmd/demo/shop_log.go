package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// shopLog is what the service checkout writes into its log: a session of a few lines for each order. A slow payment shows at once, as retries
// that are rare otherwise; after a while the service gives payments up, which it never said before.
type shopLog struct {
	shop   *shop
	random *rand.Rand
	order  int
	slow   time.Time // since when payments are slow; zero: they are not
}

const (
	// logPeriod is how often the log gets lines.
	logPeriod = 200 * time.Millisecond
	// retried is how many orders there are to one whose payment is tried again on an ordinary day. The first order is one: the exporter has to know
	// the line for a while until it can say that it comes too often.
	retried = 20
	// givingUp is how long payments are slow before the service gives some of them up.
	givingUp = time.Minute
)

// shopLogPath is where the log is.
func (s *stack) shopLogPath() string { return filepath.Join(s.dir, victim+".log") }

// startShopLog writes the log until the stack stops.
func (s *stack) startShopLog(seed uint64) error {
	f, err := os.OpenFile(s.shopLogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of the shop: %w", err)
	}
	s.logBegan = time.Now()
	l := &shopLog{shop: s.shop, random: rand.New(rand.NewPCG(seed, 99)), order: 100*retried - 1}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.Close()
		l.run(ctx, f)
	}()
	s.onStop(func() { cancel(); <-done })
	return nil
}

// run writes what happens until the context ends, or the disk is full.
func (l *shopLog) run(ctx context.Context, w io.Writer) {
	tick := time.NewTicker(logPeriod)
	defer tick.Stop()
	out := bufio.NewWriter(w)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if l.write(out, now, logPeriod) != nil {
				return
			}
		}
	}
}

// write writes the lines of the orders of the time before now.
func (l *shopLog) write(w *bufio.Writer, now time.Time, length time.Duration) error {
	rate, latency, slower := l.shop.ordersOf(victim)
	switch {
	case slower <= 1:
		l.slow = time.Time{}
	case l.slow.IsZero():
		l.slow = now
	}
	orders := rate * traffic(now) * length.Seconds()
	for n := int(orders + l.random.Float64()); n > 0; n-- {
		l.orderAt(w, now, latency*slower)
	}
	if l.random.Float64() < length.Seconds()/5 {
		l.line(w, now, "INFO", "cache", "evicted %d entries, %d MiB free", 10+l.random.IntN(500), 100+l.random.IntN(800))
	}
	return w.Flush()
}

// orderAt writes the session of one order, whose requests take so many seconds on average.
func (l *shopLog) orderAt(w *bufio.Writer, now time.Time, latency float64) {
	l.order++
	thread := fmt.Sprintf("worker-%d", 1+l.random.IntN(8))
	say := func(level, format string, args ...any) {
		l.line(w, now, level, thread, "order=%d "+format, append([]any{l.order}, args...)...)
	}
	took := int(1000 * latency * (0.5 + l.random.ExpFloat64()))
	say("INFO", "opened for customer %d", 1+l.random.IntN(90_000))
	say("INFO", "reserved %d items in warehouse %s", 1+l.random.IntN(9), []string{"A", "B", "C"}[l.random.IntN(3)])
	slow := !l.slow.IsZero()
	attempts := 0
	switch {
	case slow && l.random.Float64() < 0.8:
		attempts = 3
	case l.order%retried == 0:
		attempts = 1
	}
	for n := range attempts {
		say("WARN", "payment has not answered after %dms, attempt %d of 3", took, n+1)
	}
	if slow && now.Sub(l.slow) > givingUp && l.random.Float64() < 0.2 {
		say("ERROR", "payment given up: connection pool exhausted, %d requests are waiting", 20+l.random.IntN(60))
	} else {
		say("INFO", "payment accepted after %dms", took)
	}
	say("INFO", "closed")
}

func (l *shopLog) line(w *bufio.Writer, now time.Time, level, thread, format string, args ...any) {
	fmt.Fprintf(w, "%s %s [%s] %s\n", now.UTC().Format("2006-01-02T15:04:05.000Z"), level, thread, fmt.Sprintf(format, args...))
}

// usualAfter is how long the exporter counts lines of a template until it knows what is usual: twelve windows of a second, and a little more for
// reading and scraping.
const usualAfter = 14 * time.Second

// awaitLogs waits until the exporter knows what is usual in the log.
func (d *demo) awaitLogs(ctx context.Context) error {
	return d.story.during("learning what is usual in the log of "+victim, nothing, func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(d.stack.logBegan.Add(usualAfter))):
			return nil
		}
	})
}

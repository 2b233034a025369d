package main

import (
	"bufio"
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The log says what the shop does: retries are rare before the fault and in each order's way during it, payments are given up only after a minute,
// and when the fault is over all is as before. Each order is a session that ends.
func TestTheLogTellsOfTheFault(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Duration{4 * time.Hour, 19 * time.Hour, (6*24 + 4) * time.Hour} { // the quietest hour of the week, too
		now := monday.Add(at)
		l := &shopLog{shop: newShop(now, 1), random: rand.New(rand.NewPCG(1, 99))}
		var b bytes.Buffer
		w := bufio.NewWriter(&b)
		// lines returns how many of them a time has, a second on average.
		lines := func(length time.Duration, text string) float64 {
			t.Helper()
			b.Reset()
			for range int(length / logPeriod) {
				now = now.Add(logPeriod)
				if err := l.write(w, now, logPeriod); err != nil {
					t.Fatal(err)
				}
			}
			if opened, closed := strings.Count(b.String(), " opened for "), strings.Count(b.String(), " closed\n"); opened != closed || opened == 0 {
				t.Errorf("%s: %d orders opened, %d closed", at, opened, closed)
			}
			return float64(strings.Count(b.String(), text)) / length.Seconds()
		}
		const retry, lost = " WARN ", "payment given up"
		before := lines(time.Minute, retry)
		l.shop.slow(victim, 4, now)
		during := lines(givingUp/2, retry)
		if during < 5.5 || during < before+4*math.Sqrt(2*before+1) { // what the exporter calls a shift
			t.Errorf("%s: %.2f retries a second before the fault, %.2f during it", at, before, during)
		}
		if n := lines(givingUp/2, lost); n != 0 {
			t.Errorf("%s: %v payments given up a second, too early", at, n)
		}
		if n := lines(givingUp, lost); n == 0 {
			t.Errorf("%s: no payment was given up", at)
		}
		l.shop.slow(victim, 1, now)
		if n := lines(time.Minute, lost); n != 0 {
			t.Errorf("%s: %v payments given up a second after the fault", at, n)
		}
		if after := lines(time.Minute, retry); after > 1.5 {
			t.Errorf("%s: %.2f retries a second after the fault", at, after)
		}
	}
}

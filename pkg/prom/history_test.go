package prom

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/series"
)

// A limit of size makes the retention of time no promise.
func TestHistory(t *testing.T) {
	t.Parallel()
	const now = int64(1_800_000_000_000)
	sample := func(v string) string { return `{"metric":{},"value":[1800000000,"` + v + `"]}` }
	days := func(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
	for _, c := range []struct {
		retention, vector string
		want              History
	}{
		{"15d", "", History{Retention: days(15), Sure: true}},
		{"", "", History{}},
		{"15d or 10GiB", "", History{Retention: days(15)}},
		{"15d or 10GiB", sample("1799568000"), History{Retention: days(15), Lowest: now - days(5).Milliseconds(), Sure: true}},
		{"15d or 10GiB", sample("0"), History{Retention: days(15), Sure: true}},
		{"10GiB", sample("1799568000"), History{Lowest: now - days(5).Milliseconds(), Sure: true}},
		{"10GiB", "", History{}},
		{"10GiB", sample("1799568000") + "," + sample("1"), History{}},
		{"10GiB", sample("NaN"), History{}},
		{"10GiB", sample("9799568000"), History{}},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Path == "/api/v1/status/runtimeinfo" {
				fmt.Fprintf(w, `{"status":"success","data":{"storageRetention":%q}}`, c.retention)
				return
			}
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, c.vector)
		}))
		client, err := New(Options{URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := client.History(background, now); err != nil || got != c.want {
			t.Errorf("%q, %q: got %+v %v, want %+v", c.retention, c.vector, got, err, c.want)
		}
		client.Close()
		s.Close()
	}
	if _, err := canned(t, 401, "text/html", "").History(background, now); kind(err) != KindAuth {
		t.Errorf("auth: %v", err)
	}
	for h, want := range map[History]int64{
		{}:                                     0,
		{Retention: days(15)}:                  now - days(15).Milliseconds(),
		{Retention: days(15), Lowest: now - 1}: now - 1,
		{Retention: days(1), Lowest: 5}:        now - days(1).Milliseconds(),
		{Lowest: 5}:                            5,
	} {
		if got := h.Start(now); got != want {
			t.Errorf("start of %+v: got %d, want %d", h, got, want)
		}
	}
}

// Questions about the server itself do not queue behind queries for samples.
func TestHistoryHasItsOwnSlot(t *testing.T) {
	t.Parallel()
	s := newScripted(t, func(string, series.Grid) []series.Series { return nil })
	s.gate = make(chan struct{})
	mux := http.NewServeMux()
	entered := make(chan struct{}, 1)
	mux.HandleFunc("/api/v1/query_range", func(w http.ResponseWriter, r *http.Request) { entered <- struct{}{}; s.serve(w, r) })
	mux.HandleFunc("/api/v1/status/runtimeinfo", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"status":"success","data":{"storageRetention":"15d"}}`)
	})
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	client, err := New(Options{URL: front.URL, Limits: Limits{MaxConcurrent: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	done := make(chan error)
	go func() {
		_, err := client.Range(background, "x", series.Grid{Step: 60_000, N: 1})
		done <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(background, 5*time.Second)
	defer cancel()
	if h, err := client.History(ctx, 0); err != nil || !h.Sure {
		t.Errorf("while all slots are taken: got %+v %v", h, err)
	}
	close(s.gate)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestHistoryCut(t *testing.T) {
	t.Parallel()
	const hour = int64(3_600_000)
	grid := series.Grid{Start: 0, Step: hour, N: 240}
	begin := func(at ...int) series.Set {
		set := series.Set{Grid: grid}
		for k, from := range at {
			s := series.New(named(k), grid)
			for i := from; i < grid.N; i++ {
				s.Values[i] = 1
			}
			set.Members = append(set.Members, s)
		}
		return set
	}
	for _, c := range []struct {
		at   []int
		want int64
	}{
		{nil, 0}, {[]int{100}, 0}, {[]int{0, 0, 0}, 0}, {[]int{3, 4, 4}, 0}, // none, one, old ones
		{[]int{100, 101, 102}, 100}, {[]int{0, 100, 102}, 100}, {[]int{20, 100, 101, 103, 200}, 100}, // together
		{[]int{0, 0, 100, 100}, 0}, {[]int{50, 100, 150}, 0}, {[]int{100, 240, 240}, 0}, // half, apart, empty
	} {
		at, ok := History{}.Cut(begin(c.at...))
		if at != c.want*hour || ok != (c.want > 0) {
			t.Errorf("series that begin at %v h: got %d h, %t, want %d h", c.at, at/hour, ok, c.want)
		}
		if _, ok := (History{Sure: true}).Cut(begin(c.at...)); ok {
			t.Errorf("%v: in doubt though the server is sure", c.at)
		}
	}
}

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/webhook/config"
	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Bounds of fetching a calendar, and of what of it is kept.
const (
	calendarTime   = 15 * time.Second
	calendarSize   = 8 << 20
	calendarPast   = 60 * 24 * time.Hour
	calendarAhead  = 370 * 24 * time.Hour
	calendarAgain  = time.Minute // after a failure
	calendarLooks  = 5 * time.Second
	calendarFollow = 3 // redirects
)

// calendars are the imported calendars. A failure keeps what was read before.
type calendars struct {
	mu     sync.Mutex
	shifts map[string][]policy.Shift // by name of the calendar
	next   map[string]time.Time      // when it is read again
	of     *state                    // the configuration that they were read for

	poke   chan struct{} // after a reload
	client *http.Client
	bad    map[string]bool // those that could not be read the last time
	gauge  prometheus.Gauge
}

func newCalendars(reg prometheus.Registerer) *calendars {
	c := &calendars{
		shifts: map[string][]policy.Shift{}, next: map[string]time.Time{}, poke: make(chan struct{}, 1),
		client: &http.Client{
			Timeout: calendarTime,
			CheckRedirect: func(_ *http.Request, via []*http.Request) error {
				if len(via) >= calendarFollow {
					return errors.New("too many redirects")
				}
				return nil
			},
		},
		bad: map[string]bool{},
		gauge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "foreshock_webhook_calendars_failing", Help: "Imported calendars that could not be read the last time; what was read of them before counts.",
		}),
	}
	reg.MustRegister(c.gauge)
	return c
}

// importCalendars reads the calendars at the start, after a reload, and as often as each asks for, until the context ends.
func (a *App) importCalendars(ctx context.Context) {
	t := time.NewTicker(calendarLooks)
	defer t.Stop()
	for {
		a.readCalendars(ctx)
		select {
		case <-ctx.Done():
			return
		case <-a.calendars.poke:
		case <-t.C:
		}
	}
}

// again makes importCalendars read the calendars of a new configuration now.
func (c *calendars) again() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// readCalendars reads those whose time has come.
func (a *App) readCalendars(ctx context.Context) {
	st, c, now := a.state.Load(), a.calendars, a.o.Now()
	c.mu.Lock()
	if c.of != st { // a reload: everything is read anew, and what is gone is forgotten
		c.of = st
		clear(c.next)
		clear(c.bad)
		for name := range c.shifts {
			if _, ok := st.file.Calendars[name]; !ok {
				delete(c.shifts, name)
			}
		}
	}
	var due []string
	for _, name := range slices.Sorted(maps.Keys(st.file.Calendars)) {
		if at := c.next[name]; at.IsZero() || !now.Before(at) || at.Sub(now) > 2*every(st.file.Calendars[name]) {
			due = append(due, name)
		}
	}
	c.mu.Unlock()
	for _, name := range due {
		conf := st.file.Calendars[name]
		shifts, err := a.readCalendar(ctx, st.file, name, conf)
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.next[name] = now.Add(every(conf))
		if err == nil {
			c.shifts[name] = shifts
			delete(c.bad, name)
		} else {
			c.next[name] = now.Add(min(calendarAgain, every(conf)))
			c.bad[name] = true
			a.o.Log.Warn("a calendar could not be read; what was read before counts", "calendar", name, "err", err)
		}
		c.gauge.Set(float64(len(c.bad)))
		c.mu.Unlock()
	}
}

func every(c config.Calendar) time.Duration {
	if c.Refresh > 0 {
		return time.Duration(c.Refresh)
	}
	return time.Hour
}

func (a *App) readCalendar(ctx context.Context, f *config.File, name string, c config.Calendar) ([]policy.Shift, error) {
	in, err := a.openCalendar(ctx, c)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	limited := &io.LimitedReader{R: in, N: calendarSize + 1}
	now := a.o.Now()
	cal, err := policy.ReadICal(limited, policy.Import{
		Zone: calendarZone(f, name), From: now.Add(-calendarPast), Until: now.Add(calendarAhead), Person: policy.Finder(f.People),
	})
	if limited.N <= 0 {
		return nil, fmt.Errorf("it is longer than %d bytes", calendarSize)
	}
	for _, s := range cal.Strange {
		a.o.Log.Warn("an event of a calendar is left out", "calendar", name, "why", s)
	}
	return cal.Shifts, err
}

// calendarZone is the zone of the first schedule that uses the calendar.
func calendarZone(f *config.File, name string) string {
	for _, s := range slices.Sorted(maps.Keys(f.Schedules)) {
		for _, l := range f.Schedules[s].Layers {
			if l.Calendar == name {
				return f.Schedules[s].Zone
			}
		}
	}
	return ""
}

func (a *App) openCalendar(ctx context.Context, c config.Calendar) (io.ReadCloser, error) {
	if c.File != "" {
		return os.Open(c.File)
	}
	address := c.URL
	if c.URLFile != "" {
		var err error
		if address, err = notify.ReadSecret(c.URLFile); err != nil {
			return nil, fmt.Errorf("url_file: %w", err)
		}
	}
	// webcal: is how calendars write https.
	target := address.Reveal()
	if rest, ok := strings.CutPrefix(target, "webcal://"); ok {
		target = "https://" + rest
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, errors.New("its address cannot be read") // the address is a secret
	}
	req.Header.Set("Accept", "text/calendar")
	res, err := a.calendars.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address
		}
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("the server answered %d", res.StatusCode)
	}
	return res.Body, nil
}

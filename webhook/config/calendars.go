package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Calendar is an iCalendar that schedules import: exactly one of URL, URLFile and File is set.
type Calendar struct {
	URL     notify.Secret   `yaml:"url"` // private calendars have a key in their address
	URLFile string          `yaml:"url_file"`
	File    string          `yaml:"file"`
	Refresh policy.Duration `yaml:"refresh"` // 0: hourly
}

// calendars checks the imported calendars and the layers that use them.
func (f *File) calendars() error {
	for _, name := range slices.Sorted(maps.Keys(f.Calendars)) {
		c, at := f.Calendars[name], "calendars."+name
		set := 0
		for _, s := range []string{c.URL.Reveal(), c.URLFile, c.File} {
			if s != "" {
				set++
			}
		}
		switch u, err := url.Parse(c.URL.Reveal()); {
		case set != 1:
			return fmt.Errorf("%s: %d of url, url_file and file are set: want one", at, set)
		case c.URL != "" && (err != nil || !slices.Contains([]string{"http", "https", "webcal"}, u.Scheme) || u.Host == ""):
			return fmt.Errorf("%s.url: want an address like https://calendar.example.com/private/oncall.ics", at)
		case c.Refresh != 0 && c.Refresh < policy.Duration(time.Minute):
			return fmt.Errorf("%s.refresh: %q: want at least 1m, or nothing for 1h", at, c.Refresh)
		}
	}
	known := slices.Sorted(maps.Keys(f.Calendars))
	for _, name := range slices.Sorted(maps.Keys(f.Schedules)) {
		for i, l := range f.Schedules[name].Layers {
			if l.Calendar != "" && !slices.Contains(known, l.Calendar) {
				return fmt.Errorf("schedules.%s.layers[%d].calendar: unknown calendar %q: want one of %s", name, i, l.Calendar, strings.Join(known, ", "))
			}
		}
	}
	return nil
}

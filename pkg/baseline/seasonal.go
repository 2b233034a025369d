package baseline

import (
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

var nan = math.NaN()

func init() {
	Baselines.Add(registry.Entry[Baseline]{
		Name:    "seasonal",
		Summary: "The usual shape of the day, and of the week once there is enough history, by medians.",
		Source:  "Periodic medians as in Hochenbaum, Vallis and Kejariwal, arXiv:1704.07706, section 3; trend by Sen, JASA 63(324), 1968, doi:10.1080/01621459.1968.10480934",
		New:     func() Baseline { return NewSeasonal() },
	})
}

// Seasonal is a robust profile by time of day and week: medians per phase, straight lines between phases, distances above and below that follow the phase, and on request a
// straight trend where Kendall's test finds one. What recurs at the same time on several days is normal then, also when the median does not see it. Other periods than the
// day and the week are added where the data show them. A lasting level shift within the window moves the samples before it to the new level, so that the shape of the day is
// learnt from all of them and the level from the newest. Holidays and known events, which people give, do not bend what is usual on other days.
type Seasonal struct {
	Trend     bool              `json:"trend" yaml:"trend" help:"Follow a straight trend of the daily level where one is significant."`
	Week      string            `json:"week" yaml:"week" enum:"auto,off" help:"Learn a profile of the week: auto does so from two weeks of history on, when it predicts held-out days better."`
	Periods   string            `json:"periods" yaml:"periods" enum:"auto,off" help:"Look for other periods than the day and the week, like an hourly job: auto keeps those that predict held-out days better."`
	Bucket    registry.Duration `json:"bucket" yaml:"bucket" min:"60" max:"21600" help:"Width of one phase of the day; never below the step."`
	Recurring int               `json:"recurring" yaml:"recurring" min:"0" max:"31" unit:"days" help:"A deviation that came on so many days at the same time is expected there; 0 turns this off."`
	Calendar  []string          `json:"calendar" yaml:"calendar" help:"Holidays and known events, like 2026-10-01/2026-10-07, 12-25, sat/sun, sun 02:00/04:00 or sale:11-11: not learnt from, and judged by earlier days of the same class, or with a wider band."`
}

// NewSeasonal returns the defaults. The trend is off: over a week it is mostly a chance of the last days, and following it raised more false episodes on every
// labelled set than it avoided.
func NewSeasonal() *Seasonal {
	return &Seasonal{Week: "auto", Periods: "auto", Bucket: registry.Duration(15 * time.Minute), Recurring: 3, Calendar: []string{}}
}

// Validate reports an entry of the calendar that cannot be read.
func (s *Seasonal) Validate() error {
	if _, err := season.ParseCalendar(s.Calendar); err != nil {
		return fmt.Errorf("parameter \"calendar\": %w", err)
	}
	return nil
}

const (
	// weekBuckets is an hour of the week each: two weeks give two hours' worth of samples to a bucket.
	weekBuckets = 7 * 24
	// weekGain is how much smaller the usual held-out residual must be for the week to be kept.
	weekGain = 0.95
	// distanceShare is the least share of the overall distance that a phase has: a quiet hour is rarely as quiet as its few samples say.
	distanceShare = 0.3
	// distancePhases is how many phases of the day have a distance of their own, and distanceSamples how many samples each of them has at the least.
	distancePhases  = 24
	distanceSamples = 50
	// skewed is how many times the distance of both sides together one side may have: that of a log-normal with σ = 1 above its median is 1.6 times.
	skewed = 2
	// slotMillis is the width of the slots in which recurring deviations are looked for.
	slotMillis = 5 * 60 * 1000
	// ordinary is the distance up to which a recurring deviation needs no widening.
	ordinary = 3
)

// Fit learns the profile. It wants two days at the least, and half of the phases of the day covered.
func (s *Seasonal) Fit(train series.Series, zone *time.Location) (Fit, error) {
	values, present := clean(train.Values)
	if span := int64(len(values)) * train.Grid.Step; span < 2*season.DayMillis || present < 20 {
		return Fit{}, fmt.Errorf("%d samples over %s, want two days at the least: %w", present, registry.Duration(time.Duration(span)*time.Millisecond), ErrTooShort)
	}
	calendar, err := season.ParseCalendar(s.Calendar)
	if err != nil {
		return Fit{}, fmt.Errorf("parameter \"calendar\": %w", err)
	}
	f := s.prepare(values, train.Grid, zone)
	f.exclude(calendar)
	if f.covered() < 0.5 {
		return Fit{}, fmt.Errorf("samples in %.0f %% of the phases of the day, want half of them: %w", 100*f.covered(), ErrTooShort)
	}
	low, high := extent(f.values)
	if low == high {
		return Fit{}, ErrConstant
	}
	f.align()
	if s.Trend {
		f.trend()
	}
	f.day()
	if s.Week == "auto" {
		f.week()
	}
	if s.Periods == "auto" {
		f.others()
	}
	if !f.distances(1e-3 * (high - low)) {
		return Fit{}, ErrConstant
	}
	if s.Recurring > 0 {
		f.recurring(s.Recurring)
	}
	floor := compare(f.given, f.grid, f.missed())
	m, held := f.model(), f.held()
	m.calendar, m.entries, m.classes = calendar, s.Calendar, f.classes(calendar)
	m.shape = shapeOf(held)
	return Fit{Model: m, Held: held, Floor: floor}, nil
}

func extent(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, x := range values {
		if x == x {
			low, high = min(low, x), max(high, x)
		}
	}
	return low, high
}

// seasonal is a fitted Seasonal.
type seasonal struct {
	zone *time.Location
	// origin is the time at which the trend adds nothing, slope its rise per millisecond.
	origin int64
	slope  float64
	// profile has one entry per phase of the day; up and down have one per longer phase; week, if any, has one per hour of the week, to be added to the profile.
	profile, up, down, week []float64
	// moreUp and moreDown widen the distances per slot of the day; empty where nothing recurs.
	moreUp, moreDown []float64
	// others are further periods, counted from the origin.
	others []otherPeriod
	// calendar holds the entries, and classes what is known of the days of each class.
	calendar season.Calendar
	entries  []string
	classes  []classOfDays
	shape    shape
}

// Predict fills the band.
func (m *seasonal) Predict(window series.Series, dst Band) {
	dst.mustHave(len(window.Values))
	clock := season.NewClock(m.zone)
	phases, distances := float64(len(m.profile))/season.DayMillis, float64(len(m.up))/season.DayMillis
	for i := range dst.Center {
		t := window.Grid.At(i)
		day, tod := clock.Day(t)
		c := at(m.profile, float64(tod)*phases) + m.slope*float64(t-m.origin)
		if m.week != nil {
			c += at(m.week, weekPosition(day, tod))
		}
		x := float64(tod) * distances
		dst.Center[i], dst.Up[i], dst.Down[i] = c, at(m.up, x), at(m.down, x)
		if m.moreUp != nil {
			slot := slotOf(tod, len(m.moreUp))
			dst.Up[i] *= m.moreUp[slot]
			dst.Down[i] *= m.moreDown[slot]
		}
	}
	for _, o := range m.others {
		for i := range dst.Center {
			dst.Center[i] += at(o.profile, o.position(window.Grid.At(i)-m.origin))
		}
	}
	m.holidays(window.Grid, dst)
}

func weekPosition(day, tod int64) float64 {
	return (float64(season.Weekday(day)) + float64(tod)/season.DayMillis) * 24
}

func slotOf(tod int64, slots int) int { return int(tod * int64(slots) / season.DayMillis) }

// Forecast goes on with the profile: it is as wide for a week ahead as for tomorrow.
func (m *seasonal) Forecast(window series.Series, h int, levels []float64) Forecast {
	return forecastBand(m, m.shape, window, h, levels)
}

// MarshalBinary writes the tables.
func (m *seasonal) MarshalBinary() ([]byte, error) {
	w := written("seasonal").Text(m.zone.String()).Ints(m.origin).Floats(m.slope).
		Slice(m.profile).Slice(m.up).Slice(m.down).Slice(m.week).Slice(m.moreUp).Slice(m.moreDown).Slice(m.shape).
		Ints(int64(len(m.others)), int64(len(m.entries)), int64(len(m.classes)))
	for _, o := range m.others {
		w = w.Floats(o.millis).Slice(o.profile)
	}
	for _, text := range m.entries {
		w = w.Text(text)
	}
	for _, c := range m.classes {
		w = w.Ints(int64(c.days)).Slice(c.profile)
	}
	return w, nil
}

func (*Seasonal) unmarshal(r *wire.Reader) Model {
	name := r.Text()
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		r.Fail()
		zone = time.UTC
	}
	m := &seasonal{zone: zone, origin: r.Int(), slope: r.Float()}
	for _, dst := range []*[]float64{&m.profile, &m.up, &m.down, &m.week, &m.moreUp, &m.moreDown} {
		*dst = r.Slice()
	}
	m.shape = readShape(r)
	m.readMore(r)
	if len(m.profile) == 0 || len(m.up) == 0 || len(m.down) != len(m.up) || len(m.moreUp) != len(m.moreDown) || (m.week != nil && len(m.week) != weekBuckets) {
		r.Fail()
	}
	return m
}

// robustTrend returns the slope per millisecond of one value per day at its time, 0 where there is no trend.
func robustTrend(at, level []float64) float64 {
	if len(at) < 5 {
		return 0
	}
	if slope, trend := robust.Slope(at, level); trend {
		return slope
	}
	return 0
}

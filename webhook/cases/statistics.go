package cases

import (
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/policy"
)

// SlotLength is the resolution of what is counted about alerts.
const SlotLength = 5 * time.Minute

// Statistics are the raw counts of a time range, for Summarise.
type Statistics struct {
	Tallies []Tally  // by slot, then decision, then reason
	Courses []Course // of the cases opened in the range, by time of opening; at most MaxCourses
	Sends   []Send   // attempts to send that began in the range, by begin; at most MaxSends
	// Cut: there were more cases or attempts than are listed; the newest are missing.
	Cut bool
}

// Bounds of Statistics: beyond them a summary says that it is cut.
const (
	MaxCourses = 50_000
	MaxSends   = 50_000
)

// Tally counts alerts of one slot.
type Tally struct {
	Slot     time.Time // its begin, a multiple of SlotLength
	Decision string
	Reason   string
	N        int
}

// Course is how long a case took; zero times: not yet.
type Course struct {
	Grade                   policy.Grade
	Opened, Acked, Resolved time.Time
}

// Send is one attempt to send; Ended is zero when it was never heard of again.
type Send struct {
	Channel      string
	Began, Ended time.Time
	Result       string
}

// Summary is what the overview shows and the plugin plots.
type Summary struct {
	Since   time.Time     `json:"since"`
	Until   time.Time     `json:"until"` // exclusive
	Step    time.Duration `json:"-"`
	Buckets []Bucket      `json:"buckets"` // one per step, oldest first, empty ones too
	Total   Bucket        `json:"total"`
	// DedupRatio is the share of received alerts that told nothing new; nil without alerts.
	DedupRatio *float64 `json:"dedupRatio,omitempty"`
	// CompressionRatio is the share of received alerts that caused no message of their own: 1 − messages/alerts, at least 0; nil without alerts.
	CompressionRatio *float64 `json:"compressionRatio,omitempty"`
	// StormRate is the share of the alerts that were news and went into the parent case of a storm; nil without such alerts.
	StormRate *float64 `json:"stormRate,omitempty"`
	// MTTA and MTTR are from a case's opening to its acknowledgement and to its resolution, of the cases opened in the range that have it.
	MTTA     Times               `json:"mtta"`
	MTTR     Times               `json:"mttr"`
	Channels []ChannelStatistics `json:"channels"` // by name
	Cut      bool                `json:"cut"`      // see Statistics.Cut
}

// Bucket counts one step.
type Bucket struct {
	At       time.Time            `json:"at,omitzero"`       // its begin
	Alerts   int                  `json:"alerts"`            // received
	News     int                  `json:"news"`              // of them: told something new
	Storm    int                  `json:"storm"`             // of them: put into the parent case of a storm
	Reasons  map[string]int       `json:"reasons,omitempty"` // alerts by decision/reason
	Opened   map[policy.Grade]int `json:"opened,omitempty"`  // cases opened
	Messages int                  `json:"messages"`          // sent
	Failures int                  `json:"failures"`          // attempts that failed
	MTTA     Times                `json:"mtta"`              // of cases opened in this step
	MTTR     Times                `json:"mttr"`
	Latency  map[string]float64   `json:"latency,omitempty"` // mean seconds of an attempt, by channel
}

// Times are lengths of time in seconds; all zero when N is.
type Times struct {
	N      int     `json:"n"`
	Mean   float64 `json:"mean"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
}

// ChannelStatistics is how one channel did in the range.
type ChannelStatistics struct {
	Name     string    `json:"name"`
	Sent     int       `json:"sent"`
	Failed   int       `json:"failed"` // attempts: a message that came through at the third one failed twice
	Latency  Times     `json:"latency"`
	Last     time.Time `json:"last,omitzero"`     // begin of the newest attempt
	LastGood time.Time `json:"lastGood,omitzero"` // end of the newest one that worked
}

// Good reports whether the attempt worked.
func (s Send) Good() bool { return s.Result == string(OutcomeSent) }

// Moot reports whether the attempt found that there was nothing left to send.
func (s Send) Moot() bool {
	return s.Result == string(OutcomeObsolete) || s.Result == string(OutcomeCancelled)
}

// reasonStorm is stage.ReasonStorm; accepted is stage.Accepted. (This package is below that one.)
const (
	reasonStorm = "storm"
	accepted    = "accepted"
)

// Summarise counts s by step, which is rounded up to whole slots; the range is widened to whole steps of the absolute grid, so that a bucket
// means the same whatever range it is asked in.
func Summarise(s Statistics, since, until time.Time, step time.Duration) Summary {
	since, until, step = Grid(since, until, step)
	out := Summary{Since: since, Until: until, Step: step, Cut: s.Cut, Channels: []ChannelStatistics{}}
	acked, resolved := make([][]float64, until.Sub(since)/step), make([][]float64, until.Sub(since)/step)
	latency := make([]map[string][]float64, len(acked))
	out.Buckets = make([]Bucket, len(acked))
	for i := range out.Buckets {
		out.Buckets[i] = Bucket{At: since.Add(time.Duration(i) * step), Reasons: map[string]int{}, Opened: map[policy.Grade]int{}, Latency: map[string]float64{}}
		latency[i] = map[string][]float64{}
	}
	at := func(t time.Time) int {
		if t.Before(since) || !t.Before(until) {
			return -1
		}
		return int(t.Sub(since) / step)
	}
	for _, t := range s.Tallies {
		if i := at(t.Slot); i >= 0 {
			out.Buckets[i].tally(t)
		}
	}
	for _, c := range s.Courses {
		i := at(c.Opened)
		if i < 0 {
			continue
		}
		out.Buckets[i].Opened[c.Grade]++
		acked[i], resolved[i] = lasted(acked[i], c.Opened, c.Acked), lasted(resolved[i], c.Opened, c.Resolved)
	}
	for _, a := range s.Sends {
		i := at(a.Began)
		if i < 0 || a.Moot() {
			continue
		}
		if a.Good() {
			out.Buckets[i].Messages++
		} else {
			out.Buckets[i].Failures++
		}
		latency[i][a.Channel] = lasted(latency[i][a.Channel], a.Began, a.Ended)
	}
	for i := range out.Buckets {
		b := &out.Buckets[i]
		b.MTTA, b.MTTR = timesOf(acked[i]), timesOf(resolved[i])
		for name, all := range latency[i] {
			if len(all) > 0 {
				b.Latency[name] = timesOf(all).Mean
			}
		}
	}
	out.total(acked, resolved)
	out.Channels = channels(s.Sends, at)
	return out
}

// Grid widens a range to whole steps, and a step to whole slots; there is at least one step.
func Grid(since, until time.Time, step time.Duration) (time.Time, time.Time, time.Duration) {
	step = max(SlotLength, (step+SlotLength-1)/SlotLength*SlotLength)
	floor := func(t time.Time) time.Time {
		n := t.UnixMicro() / step.Microseconds() * step.Microseconds()
		return time.UnixMicro(n).UTC()
	}
	since = floor(since)
	if end := floor(until); end.Before(until) {
		until = end.Add(step)
	} else {
		until = end
	}
	if !until.After(since) {
		until = since.Add(step)
	}
	return since, until, step
}

func (b *Bucket) tally(t Tally) {
	b.Alerts += t.N
	b.Reasons[t.Decision+"/"+t.Reason] += t.N
	if t.Decision == accepted {
		b.News += t.N
	}
	if t.Reason == reasonStorm {
		b.Storm += t.N
	}
}

// total sums the buckets up and makes the ratios.
func (s *Summary) total(acked, resolved [][]float64) {
	s.Total = Bucket{Reasons: map[string]int{}, Opened: map[policy.Grade]int{}}
	for _, g := range policy.Grades() {
		s.Total.Opened[g] = 0
	}
	t := &s.Total
	for _, b := range s.Buckets {
		t.Alerts, t.News, t.Storm, t.Messages, t.Failures = t.Alerts+b.Alerts, t.News+b.News, t.Storm+b.Storm, t.Messages+b.Messages, t.Failures+b.Failures
		for r, n := range b.Reasons {
			t.Reasons[r] += n
		}
		for g, n := range b.Opened {
			t.Opened[g] += n
		}
	}
	s.MTTA, s.MTTR = timesOf(slices.Concat(acked...)), timesOf(slices.Concat(resolved...))
	t.MTTA, t.MTTR = s.MTTA, s.MTTR
	if t.Alerts > 0 {
		dedup, compression := 1-float64(t.News)/float64(t.Alerts), max(0, 1-float64(t.Messages)/float64(t.Alerts))
		s.DedupRatio, s.CompressionRatio = &dedup, &compression
	}
	if t.News > 0 {
		storm := float64(t.Storm) / float64(t.News)
		s.StormRate = &storm
	}
}

func channels(sends []Send, at func(time.Time) int) []ChannelStatistics {
	byName, latency := map[string]*ChannelStatistics{}, map[string][]float64{}
	for _, a := range sends {
		if at(a.Began) < 0 || a.Moot() {
			continue
		}
		c := byName[a.Channel]
		if c == nil {
			c = &ChannelStatistics{Name: a.Channel}
			byName[a.Channel] = c
		}
		if a.Began.After(c.Last) {
			c.Last = a.Began
		}
		if a.Good() {
			c.Sent++
			if a.Ended.After(c.LastGood) {
				c.LastGood = a.Ended
			}
		} else {
			c.Failed++
		}
		latency[a.Channel] = lasted(latency[a.Channel], a.Began, a.Ended)
	}
	out := make([]ChannelStatistics, 0, len(byName))
	for name, c := range byName {
		c.Latency = timesOf(latency[name])
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b ChannelStatistics) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// lasted appends the seconds between two times, unless the second is not known. Clocks may step back: never less than 0.
func lasted(to []float64, from, until time.Time) []float64 {
	if until.IsZero() {
		return to
	}
	return append(to, max(0, until.Sub(from).Seconds()))
}

// timesOf sums lengths of time up; quantiles are the nearest rank. It sorts what it is given.
func timesOf(all []float64) Times {
	if len(all) == 0 {
		return Times{}
	}
	slices.Sort(all)
	sum := 0.0
	for _, v := range all {
		sum += v
	}
	rank := func(q float64) float64 { return all[max(0, int(math.Ceil(q*float64(len(all))))-1)] }
	return Times{N: len(all), Mean: sum / float64(len(all)), Median: rank(.5), P90: rank(.9)}
}

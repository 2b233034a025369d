package evaluate

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
)

// Entrant is a detector of single series in a table.
type Entrant struct {
	Name     string
	Detector detect.Detector
}

// Plan is a table to be made: every entrant and every floor over every set of its kind.
type Plan struct {
	Judging
	Sets     []Set
	Entrants []Entrant
	Joints   []JointEntrant
	// Workers is how many series are judged at once; at least one.
	Workers int
	// Progress, when set, is called with each finished row, one call at a time.
	Progress func(Row)
}

// Row is one detector on one set. Its JSON form is stable; what does not apply is left out.
type Row struct {
	Set string `json:"set"`
	// Detector is a registered name, "… (floor)" or "… (published)".
	Detector string `json:"detector"`
	Floor    bool   `json:"floor,omitempty"`
	// Published is set for scores that somebody else's detector gave; they have no episodes.
	Published bool `json:"published,omitempty"`
	// Files is how many series were judged, Samples how many rows they have.
	Files   int `json:"files"`
	Samples int `json:"samples"`
	// Channels is how many series are one vector, 0 for single series.
	Channels int `json:"channels,omitempty"`
	// Measures are means over the labelled files.
	Measures
	Streaming
	NAB *NABRow `json:"nab,omitempty"`
	// MicrosPerSample is the processor time per judged row, fits included.
	MicrosPerSample float64 `json:"micros_per_sample"`
	// Refused counts series with too little to learn from: their scores are all 0.
	Refused int `json:"refused,omitempty"`
	// Failed names series that a detector could not judge, with the reason: their scores are all 0.
	Failed []string  `json:"failed,omitempty"`
	Each   []FileRow `json:"each"`
}

// Streaming is what alarms say about events over all series of a set.
type Streaming struct {
	EventPrecision    *float64   `json:"event_precision"`
	EventRecall       *float64   `json:"event_recall"`
	DelaySeconds      float64    `json:"delay_seconds"`
	FalsePerWeek      float64    `json:"false_episodes_per_week"`
	FalsePerWeekRange [2]float64 `json:"false_episodes_per_week_95"`
	Events            int        `json:"events"`
	Episodes          int        `json:"episodes"`
	Weeks             float64    `json:"weeks"`
}

// NABRow is NAB's own score of the onset output.
type NABRow struct {
	// Standard, LowFP and LowFN are at the threshold that is best for all files together.
	Standard float64 `json:"standard"`
	LowFP    float64 `json:"reward_low_fp"`
	LowFN    float64 `json:"reward_low_fn"`
	Rate     float64 `json:"alarms_per_week"`
	// LeaveOut is the standard profile with thresholds that are best for all other files, Fixed at the detectors' own threshold, 1 (nil for published scores, which have none), and AtTwo at no more than two alarms a
	// week. LeaveOutRate and FixedRate are the alarms a week of these.
	LeaveOut     float64  `json:"leave_out"`
	LeaveOutRate float64  `json:"leave_out_alarms_per_week"`
	Fixed        *float64 `json:"fixed"`
	FixedRate    float64  `json:"fixed_alarms_per_week"`
	AtTwo        float64  `json:"at_two_a_week"`
}

// FileRow is one series of a row.
type FileRow struct {
	File string `json:"file"`
	Measures
}

// cell is a row in the making.
type cell struct {
	row      Row
	left     int
	each     []File
	onset    [][]float64
	streamed []Streamed
}

// task is one series or entity of a cell: its rows, and what judges them.
type task struct {
	cell *cell
	set  *Set
	i    int
	rows func() Labelled
	run  func(ctx context.Context) (Answer, error)
}

// Run makes the table. What fails on one series does not stop the others: it is told in the row. It returns an error only when ctx ends. Rows are in the order of sets,
// floors first, then entrants; what others published comes last.
func (p Plan) Run(ctx context.Context) ([]Row, error) {
	var cells []*cell
	var tasks []task
	add := func(set *Set, row Row, one func(i int) task) {
		n := max(len(set.Series), len(set.Vectors))
		row.Set, row.Files, row.Channels = set.Name, n, set.channels()
		c := &cell{row: row, left: n, each: make([]File, n), onset: make([][]float64, n), streamed: make([]Streamed, n)}
		cells = append(cells, c)
		for i := range n {
			t := one(i)
			t.cell, t.set, t.i = c, set, i
			tasks = append(tasks, t)
		}
	}
	for s := range p.Sets {
		set := &p.Sets[s]
		for _, f := range Floors {
			if set.Vectors != nil {
				add(set, Row{Detector: f.Name + " (floor)", Floor: true}, func(i int) task {
					return task{rows: set.Vectors[i].rows, run: func(context.Context) (Answer, error) { return p.FloorOfVectors(f, set.Vectors[i]) }}
				})
				continue
			}
			add(set, Row{Detector: f.Name + " (floor)", Floor: true}, func(i int) task {
				return task{rows: set.series(i), run: func(context.Context) (Answer, error) { return p.Floor(f, set.Series[i]) }}
			})
		}
		for _, e := range p.Joints {
			if set.Vectors == nil {
				break
			}
			add(set, Row{Detector: e.Name}, func(i int) task {
				return task{rows: set.Vectors[i].rows, run: func(ctx context.Context) (Answer, error) {
					return p.Multivariate(ctx, e.Name, e.Detector, set.Vectors[i])
				}}
			})
		}
		for _, e := range p.Entrants {
			if set.Vectors != nil {
				break
			}
			add(set, Row{Detector: e.Name}, func(i int) task {
				return task{rows: set.series(i), run: func(ctx context.Context) (Answer, error) {
					return p.Univariate(ctx, e.Name, e.Detector, set.Series[i])
				}}
			})
		}
	}
	for s := range p.Sets {
		set := &p.Sets[s]
		for _, d := range set.Published {
			add(set, Row{Detector: d.Name + " (published)", Published: true}, func(i int) task {
				return task{rows: set.series(i), run: func(context.Context) (Answer, error) {
					return Answer{Level: d.Scores[i], Onset: d.Scores[i]}, nil
				}}
			})
		}
	}
	p.work(ctx, tasks)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows := make([]Row, len(cells))
	for i, c := range cells {
		rows[i] = c.row
	}
	return rows, nil
}

func (s *Set) channels() int {
	if len(s.Vectors) == 0 {
		return 0
	}
	return len(s.Vectors[0].Channels)
}

func (s *Set) series(i int) func() Labelled { return func() Labelled { return s.Series[i] } }

func (p Plan) work(ctx context.Context, tasks []task) {
	next := make(chan task)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range max(1, p.Workers) {
		wg.Go(func() {
			for j := range next {
				out, f, err := j.do(ctx)
				mu.Lock()
				j.cell.take(j.i, out, f, err)
				if j.cell.left == 0 {
					j.cell.finish(*j.set)
					if p.Progress != nil && ctx.Err() == nil {
						p.Progress(j.cell.row)
					}
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range tasks {
		if ctx.Err() != nil {
			break
		}
		next <- j
	}
	close(next)
	wg.Wait()
}

// do judges and measures.
func (j task) do(ctx context.Context) (Answer, File, error) {
	l := j.rows()
	out, err := j.run(ctx)
	if err != nil {
		out = nothing(l)
	}
	f := File{Name: l.Name, Samples: len(l.Values), Took: out.Took, Measures: Measure(l.Label, out.Level, l.Buffer)}
	f.Skipped = f.VUSPR != f.VUSPR
	return out, f, err
}

func (c *cell) take(i int, out Answer, f File, err error) {
	c.left--
	c.each[i], c.onset[i], c.streamed[i] = f, out.Onset, out.Streamed
	if err != nil {
		c.row.Failed = append(c.row.Failed, err.Error())
	}
	if out.Refused {
		c.row.Refused++
	}
}

// finish sums up what all series said.
func (c *cell) finish(set Set) {
	r := &c.row
	slices.Sort(r.Failed)
	r.Measures = mean(c.each)
	var took time.Duration
	var all Streamed
	for i, f := range c.each {
		took += f.Took
		r.Samples += f.Samples
		all = all.Add(c.streamed[i])
		if !f.Skipped {
			r.Each = append(r.Each, FileRow{f.Name, f.Measures})
		}
	}
	r.MicrosPerSample = float64(took) / float64(time.Microsecond) / float64(max(r.Samples, 1))
	r.Streaming = streaming(all)
	if set.Profiles != nil {
		r.NAB = nabRowOf(set, c.onset, r.Published)
	}
	c.onset, c.streamed = nil, nil
}

func streaming(s Streamed) Streaming {
	out := Streaming{DelaySeconds: s.Delay().Seconds(), Events: s.Events, Episodes: s.Episodes, Weeks: s.Weeks}
	out.FalsePerWeek, out.FalsePerWeekRange[0], out.FalsePerWeekRange[1] = s.FalsePerWeek()
	if x := s.Precision(); !math.IsNaN(x) {
		out.EventPrecision = &x
	}
	if x := s.Recall(); !math.IsNaN(x) {
		out.EventRecall = &x
	}
	return out
}

// alarmLevel is the score of an anomaly on the detectors' scale.
const alarmLevel = 1

func nabRowOf(set Set, onset [][]float64, published bool) *NABRow {
	n := NewNAB(set.Series, onset)
	standard := set.Profiles[0]
	var r NABRow
	var at float64
	r.Standard, at = n.Best(standard)
	_, r.Rate = n.At(standard, at)
	r.LowFP, _ = n.Best(set.Profiles[1])
	r.LowFN, _ = n.Best(set.Profiles[2])
	r.LeaveOut, r.LeaveOutRate = n.LeaveOut(standard)
	if !published {
		var fixed float64
		fixed, r.FixedRate = n.At(standard, alarmLevel)
		r.Fixed = &fixed
	}
	r.AtTwo, _ = n.AtMost(standard, 2)
	return &r
}

// Faults joins what failed in any row, nil when nothing did.
func Faults(rows []Row) error {
	var errs []error
	for _, r := range rows {
		for _, f := range r.Failed {
			errs = append(errs, errors.New(f))
		}
	}
	return errors.Join(errs...)
}

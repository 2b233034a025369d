package scorer

import (
	"cmp"
	"slices"
	"sync"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
)

// testRows is how many series one self-test may judge, those of whole fleets and vectors counted: a test of large ones has fewer subjects.
const testRows = 400

// subject is what a self-test puts something into: a series, a member of a fleet, or a dimension of a vector.
type subject struct {
	evaluate.Case
	// fill adds the masks of those that are tested, which are as large as the series.
	fill func(*evaluate.Case)
	// rows is how many series are judged with it.
	rows int
}

// judge is the rule's judge, whatever its kind.
func (r Rule) judge() evaluate.Judge {
	switch r.Kind {
	case kindJoint:
		j := r.Joint
		return evaluate.Judge{Judge: detect.Judge{Name: j.Name, Walk: j.Walk, Policy: j.Policy, Fits: j.Fits, HistoryStart: j.HistoryStart}, Joint: j.Detector}
	case kindPeers:
		j := r.Peers
		return evaluate.Judge{Judge: detect.Judge{Name: j.Name, Walk: j.Walk, Policy: j.Policy, Fits: j.Fits, HistoryStart: j.HistoryStart}, Peers: j.Detector}
	}
	return evaluate.Judge{Judge: r.Judge}
}

// subjects returns everything that could be tested.
func (r Rule) subjects(units []unit, clean detect.Clean) []subject {
	var out []subject
	for _, u := range units {
		masked := func(c *evaluate.Case) { c.Clean, _ = clean.Mask(u.labels) }
		switch r.Kind {
		case kindJoint:
			for _, c := range evaluate.Dimensions(u.vector) {
				out = append(out, subject{c, masked, u.rows()})
			}
		case kindPeers:
			fleet := sync.OnceValue(func() *detect.Fleet {
				f, _ := u.fleet(clean)
				return &f
			})
			for m, s := range u.members {
				out = append(out, subject{evaluate.Case{Series: s, Row: m}, func(c *evaluate.Case) { c.Fleet = fleet() }, len(u.members)})
			}
		default:
			out = append(out, subject{evaluate.Case{Series: u.members[0]}, masked, 1})
		}
	}
	return out
}

// sampled returns some of the subjects that have samples in [from, to], chosen by their labels alone.
func sampled(all []subject, from, to int64) []subject {
	var live []subject
	for _, s := range all {
		if s.Series.Between(from, to+1).Present() > 0 {
			s.From, s.To = from, to
			live = append(live, s)
		}
	}
	slices.SortFunc(live, func(a, b subject) int { return cmp.Compare(mixed(a.Series.Labels), mixed(b.Series.Labels)) })
	rows := 0
	for i, s := range live[:min(len(live), testSeries)] {
		if rows += s.rows; rows > testRows && i > 0 {
			return live[:i]
		}
	}
	return live[:min(len(live), testSeries)]
}

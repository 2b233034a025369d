package scorer

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/series"
)

// testRows is how many series one self-test may judge, those of whole fleets and vectors counted: a test of large ones has fewer subjects.
const testRows = 400

// subject is what a self-test puts something into: a series, a member of a fleet, or a dimension of a vector.
type subject struct {
	evaluate.Case
	test evaluate.SelfTest
	// mask makes Clean for those that are tested, since it is as large as the series; nil where there is none to make.
	mask func() series.Series
	// rows is how many series are judged with it.
	rows int
}

// options returns the detector with its options, whatever its kind.
func (r Rule) options() any {
	switch r.Kind {
	case kindJoint:
		return r.Joint.Detector
	case kindPeers:
		return r.Peers.Detector
	}
	return r.Judge.Detector
}

// subjects returns everything that could be tested.
func (r Rule) subjects(units []unit, clean detect.Clean) []subject {
	var out []subject
	for _, u := range units {
		switch r.Kind {
		case kindJoint:
			mask := maskOf(clean, u)
			for d := range u.vector.Values {
				out = append(out, r.dimension(u, d, mask))
			}
		case kindPeers:
			fleet := sync.OnceValue(func() detect.Fleet {
				f, _ := u.fleet(clean)
				return f
			})
			for m := range u.members {
				out = append(out, r.member(u, fleet, m))
			}
		default:
			out = append(out, subject{evaluate.Case{Series: u.members[0]}, evaluate.SelfTest{Judge: r.Judge, Quick: true}, maskOf(clean, u), 1})
		}
	}
	return out
}

// moves is what detectors of several series are held to: each of them is to see when one of the series goes where it never was.
const moves = detect.Spike | detect.Drop | detect.Shift

// dimension is the subject of one dimension of a vector, the others as they are.
func (r Rule) dimension(u unit, d int, mask func() series.Series) subject {
	v := u.vector
	judged := func(ctx context.Context, changed series.Series, from, to int64) (detect.Verdicts, error) {
		now := v
		now.Values = slices.Clone(v.Values)
		now.Values[d] = changed.Values
		found, err := r.Joint.Against(ctx, v, mask(), now, from, to)
		if err != nil {
			return detect.Verdicts{}, err
		}
		usual := found.Usual[d] // its own, not that of the dimension that leads
		found.Series, found.Expected, found.Lower, found.Upper = found.Vector.Dimension(d), usual.Expected, usual.Lower, usual.Upper
		return found.Verdicts, nil
	}
	labels := v.Labels.Map()
	labels["dimension"] = v.Names[d]
	s := v.Dimension(d)
	s.Labels = series.FromMap(labels)
	return subject{evaluate.Case{Series: s}, r.selfTest(&evaluate.Subject{Detector: r.Joint.Detector, Catches: moves, Judged: judged}), nil, u.rows()}
}

// member is the subject of one member of a fleet, its siblings as they are.
func (r Rule) member(u unit, whole func() detect.Fleet, m int) subject {
	judged := func(ctx context.Context, changed series.Series, from, to int64) (detect.Verdicts, error) {
		fleet := whole()
		now := fleet
		now.Members = slices.Clone(fleet.Members)
		now.Members[m] = changed
		found, err := r.Peers.Against(ctx, fleet, now, from, to)
		if err != nil {
			return detect.Verdicts{}, err
		}
		return found[m], nil
	}
	return subject{evaluate.Case{Series: u.members[m]}, r.selfTest(&evaluate.Subject{Detector: r.Peers.Detector, Catches: moves, Judged: judged}), nil, len(u.members)}
}

// maskOf makes the mask of a unit when it is asked for first.
func maskOf(clean detect.Clean, u unit) func() series.Series {
	return sync.OnceValue(func() series.Series {
		mask, _ := clean.Mask(u.labels)
		return mask
	})
}

func (r Rule) selfTest(s *evaluate.Subject) evaluate.SelfTest {
	return evaluate.SelfTest{Judge: detect.Judge{Walk: r.Walk, Policy: r.Policy}, Subject: s, Quick: true}
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

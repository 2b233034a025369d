package logs

import (
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Sequences.Add(registry.Entry[SequenceDetector]{
		Name:    "auto",
		Summary: "New events and count vectors, whichever says more. The default.",
		Source:  "Landauer et al., FSE 2024, doi:10.1145/3660768, where the two together equal or beat deep models on the public sets.",
		New:     func() SequenceDetector { return &AutoSequence{budgetOf{0.0005}} },
	})
}

// AutoSequence is the larger of the scores of NewEvent and CountVector.
type AutoSequence struct{ budgetOf }

// Fit implements SequenceDetector.
func (a *AutoSequence) Fit(train [][]ID) (SequenceModel, error) {
	events, err := (&NewEvent{}).Fit(train)
	if err != nil {
		return nil, err
	}
	counts, err := (&CountVector{a.budgetOf}).Fit(train)
	if err != nil {
		return nil, err
	}
	return &larger{events, counts}, nil
}

type larger struct{ a, b SequenceModel }

func (l *larger) Score(events []ID) Verdict {
	a, b := l.a.Score(events), l.b.Score(events)
	if a.Score > b.Score || a.Anomalous() { // a new event is the plainer reason
		return Verdict{max(a.Score, b.Score), a.Step}
	}
	return b
}

func (l *larger) MarshalBinary() ([]byte, error) {
	w := wire.Writer{}.Text("auto")
	for _, m := range []SequenceModel{l.a, l.b} {
		data, err := m.MarshalBinary()
		if err != nil {
			return nil, err
		}
		w = w.Bytes(data)
	}
	return w, nil
}

func (*AutoSequence) read(r *wire.Reader) (SequenceModel, error) {
	a, err := restorePart(r.Bytes(), "new_event")
	if err != nil {
		return nil, err
	}
	b, err := restorePart(r.Bytes(), "count_vector")
	if err != nil {
		return nil, err
	}
	return &larger{a, b}, nil
}

// restorePart reads a member, which must be of that name: a crafted state must not nest without end.
func restorePart(data []byte, name string) (SequenceModel, error) {
	if got := wire.NewReader(data).Text(); got != name {
		return nil, wire.ErrCorrupt
	}
	return RestoreSequence(data)
}

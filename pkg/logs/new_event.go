package logs

import (
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Sequences.Add(registry.Entry[SequenceDetector]{
		Name:    "new_event",
		Summary: "Events that no training session had. The floor under the others: needs nothing but the set of known events.",
		Source:  "Landauer, Skopik, Wurzenberger: A Critical Review of Common Log Data Sets Used for Evaluation of Sequence-based Anomaly Detection Techniques, FSE 2024, doi:10.1145/3660768.",
		New:     func() SequenceDetector { return &NewEvent{} },
	})
}

// NewEvent scores the number of events that training did not have: one is enough.
type NewEvent struct{}

// Validate implements registry.Validator.
func (*NewEvent) Validate() error { return nil }

// Fit implements SequenceDetector.
func (*NewEvent) Fit(train [][]ID) (SequenceModel, error) {
	return calibrate("new_event", train, 1, 1, func(some []counted) raw { return known{vocabularyOf(some)} })
}

func (*NewEvent) read(r *wire.Reader) (SequenceModel, error) {
	theta := readTheta(r)
	return &calibrated{"new_event", known{readVocabulary(r)}, theta}, nil
}

type known struct{ v vocabulary }

func (k known) strange(events []ID) (float64, int) {
	n, first := 0.0, -1
	for i, e := range events {
		if _, ok := k.v.at[e]; !ok {
			if n++; first < 0 {
				first = i
			}
		}
	}
	return n, first
}

func (k known) write(w wire.Writer) wire.Writer { return k.v.write(w) }

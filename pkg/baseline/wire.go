package baseline

import (
	"fmt"

	"github.com/foreshock/foreshock/pkg/wire"
)

// written begins a written model: the name of its baseline comes first. A layout that changes takes a new name.
func written(name string) wire.Writer { return wire.Writer{}.Text(name) }

// unmarshaler is the reading side of a baseline's models: it takes off what MarshalBinary wrote after the name, and calls Fail on what is impossible.
type unmarshaler interface {
	unmarshal(r *wire.Reader) Model
}

// Unmarshal reads what a model's MarshalBinary wrote.
func Unmarshal(data []byte) (Model, error) {
	r := wire.NewReader(data)
	name := r.Text()
	e, err := Baselines.Get(name)
	if err != nil {
		return nil, fmt.Errorf("read a baseline: %w", wire.ErrCorrupt)
	}
	u, ok := e.New().(unmarshaler)
	if !ok {
		return nil, fmt.Errorf("baseline %s: its models cannot be read back", name)
	}
	m := u.unmarshal(r)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("baseline %s, %d bytes: %w", name, len(data), err)
	}
	return m, nil
}

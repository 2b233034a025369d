package detect

import (
	"fmt"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/wire"
)

// The shapes of written models: what a detector's file does not have to write itself.
const (
	shapeResidual = "residual"
	shapeConstant = "constant"
	shapeMeasured = "measured"
)

func written(shape string) wire.Writer { return wire.Writer{}.Text(shape) }

// readModel reads a residual, constant or measured model; measure reads the bytes of a detector's own measure, nil where the detector has none.
func readModel(data []byte, measure func(*wire.Reader) measure) (Model, error) {
	r := wire.NewReader(data)
	var m Model
	var err error
	switch shape := r.Text(); {
	case shape == shapeConstant:
		m = constant{r.Float()}
	case shape == shapeResidual:
		t, floor := readThreshold(r), baseline.ReadComparison(r)
		var base baseline.Model
		if base, err = baseline.Unmarshal(r.Bytes()); err == nil {
			m = &residual{baseline: base, floor: floor, threshold: t}
		}
	case shape == shapeMeasured && measure != nil:
		m, err = readMeasured(r, measure)
	default:
		r.Fail()
	}
	if err != nil {
		return nil, err
	}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%d bytes: %w", len(data), err)
	}
	return m, nil
}

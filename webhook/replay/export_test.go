package replay

import (
	"fmt"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Summary is a stream as text, for comparison.
func Summary(s Stream) []string {
	var out []string
	for _, c := range s.changes {
		out = append(out, fmt.Sprint(c.at, c.a.Status, c.a.Labels, c.a.Annotations))
	}
	return out
}

// Change is one alert that begins or ends.
func Change(at time.Time, a alert.Alert) change { return change{at, a} }

// ChangeType lets tests name it.
type ChangeType = change

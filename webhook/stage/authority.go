package stage

import (
	"context"
	"errors"
	"net/http"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Alertmanagers is an Authority over HTTP: it asks GET /api/v2/alerts of the
// cluster's Alertmanagers, one after the other, until one answers.
type Alertmanagers struct {
	URLs map[string][]string // by cluster, e.g. "default": {"http://am-0:9093"}
	HTTP *http.Client        // with a timeout; nil: 3 s
}

// Firing asks.
func (m Alertmanagers) Firing(ctx context.Context, cluster string, alerts []alert.Alert) ([]bool, error) {
	return nil, errors.New("not written yet")
}

package policy

import "github.com/foreshock/foreshock/pkg/registry"

// Duration is a time span in Prometheus' text form: "90s", "5m", "1h30m", "7d".
type Duration = registry.Duration

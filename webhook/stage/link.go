package stage

import (
	"context"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// The kinds of links.
const (
	kindSimilar = "similar" // Key: a quarter of the SimHash; Detail: the hash and the text
	kindHost    = "host"    // Key: cluster and host
	kindService = "service" // Key: cluster and service
	kindDeploy  = "deploy"  // Key: cluster, label and value
	kindSource  = "source"  // Key: cluster, source and a slice of time; of no case: N counts new alerts
)

var _ = context.Background
var _ alert.Identity
var _ cases.Link
var _ time.Time

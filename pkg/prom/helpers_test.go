package prom

import (
	"context"
	"errors"
	"math"
	"strings"
)

func contains(err error, part string) bool { return err != nil && strings.Contains(err.Error(), part) }

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }

var inf = math.Inf(1)

package prom

import (
	"math"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// base is a time on all steps used here.
const base = int64(1_789_344_000_000)

var setOptions = cmp.Options{cmpopts.EquateNaNs(), cmpopts.EquateEmpty()}

var inf = math.Inf(1)

func contains(err error, part string) bool { return err != nil && strings.Contains(err.Error(), part) }

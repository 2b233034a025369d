package prom

import (
	"testing"

	"github.com/foreshock/foreshock/pkg/prom/promtest"
)

func startNewest(t testing.TB) *promtest.Server { t.Skip("later"); return nil }

package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/foreshock/foreshock/pkg/loki"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/config"
	"github.com/foreshock/foreshock/webhook/policy"
)

// maxEvidence bounds what is read of Loki's answer to a condition: some ten thousand series.
const maxEvidence = 8 << 20

// openLoki makes the client of Loki; nil without an address.
func openLoki(file *config.File) (*loki.Client, error) {
	if file.Loki.URL == "" {
		return nil, nil
	}
	password, token, err := file.LokiSecrets()
	if err != nil {
		return nil, err
	}
	c, err := loki.New(loki.Options{
		URL: file.Loki.URL, User: file.Loki.User, Password: password.Reveal(), Token: token.Reveal(), Tenant: file.Loki.Tenant, MaxWire: maxEvidence,
	})
	if err != nil {
		return nil, fmt.Errorf("loki.url: %w", err)
	}
	return c, nil
}

// evidence is a sample of an answer to a condition.
type evidence struct {
	labels series.Labels
	value  float64
}

var errNobody = errors.New("no server for it is configured")

// Ask answers a query of a rule for the alerts of a case, within its time limit: "promql" by Prometheus, "logql" by Loki.
func (f *facts) Ask(ctx context.Context, language string, q policy.Query, members []alert.Labels) policy.Answer {
	ctx, cancel := context.WithTimeout(ctx, q.Patience())
	defer cancel()
	samples, err := f.evidence(ctx, language, q.Expr)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return policy.Answer{Why: "no answer within " + policy.Duration(q.Patience()).String()}
		}
		return policy.Answer{Why: err.Error()}
	}
	places := make(map[string]bool, len(members)) // the answer and the case may both be large
	for _, l := range members {
		places[placed(q.On, func(name string) string { return l[name] })] = true
	}
	for _, s := range samples {
		if math.IsNaN(s.value) || s.value == 0 {
			continue
		}
		if len(q.On) == 0 || places[placed(q.On, s.labels.Get)] {
			return policy.Answer{Holds: policy.Yes, Why: fmt.Sprintf("%s is %.6g", q.Expr, s.value)}
		}
	}
	return policy.Answer{Holds: policy.No}
}

// evidence asks the server of a language for the value of an expression now.
func (f *facts) evidence(ctx context.Context, language, expr string) (out []evidence, err error) {
	now, s := f.a.o.Now(), f.a.state.Load()
	switch {
	case language == "promql" && s.prom != nil:
		v, err := s.prom.Instant(ctx, expr, now.UnixMilli())
		if err != nil {
			return nil, err
		}
		for _, one := range v.Samples {
			out = append(out, evidence{one.Labels, one.Value})
		}
		return out, nil
	case language == "logql" && s.loki != nil:
		v, err := s.loki.Instant(ctx, expr, now)
		if err != nil {
			return nil, err
		}
		for _, one := range v {
			out = append(out, evidence{one.Labels, one.Value})
		}
		return out, nil
	}
	return nil, errNobody
}

// placed joins the values of some labels.
func placed(on []string, value func(name string) string) string {
	var b strings.Builder
	for _, name := range on {
		b.WriteString(strconv.Quote(value(name)))
	}
	return b.String()
}

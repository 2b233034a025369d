package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/policy"
)

// Limited is a channel whose service documents how many messages it takes. Whoever sends asks before.
type Limited interface {
	// Quota is what may be sent; the zero value is no limit.
	Quota() policy.Quota
	// Destination names what the quota belongs to; two channels that lead to the same robot share it. It holds no secret.
	Destination() string
}

// Single is a channel that cannot take several messages in one, since each belongs to an incident of its own.
type Single interface {
	SingleOnly()
}

// quota is what the service documents, or less when the configuration says so.
func (c *Common) quota(documented ...policy.Rate) policy.Quota {
	q := policy.Quota{Rates: documented}
	if c.PerMinute > 0 {
		q.Rates = append(q.Rates, policy.Rate{N: c.PerMinute, Per: time.Minute})
	}
	return q
}

// destination is a name made of the kind and of what makes the destination one, which may be secret.
func destination(kind string, parts ...Secret) string {
	h := sha256.New()
	for _, p := range parts {
		text := p.Reveal()
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			u.Fragment = ""
			text = u.String()
		}
		h.Write([]byte(text + "\x00"))
	}
	return kind + "-" + hex.EncodeToString(h.Sum(nil))[:16]
}

func joinLines(lines ...string) string {
	return joinBy("\n", lines)
}

func joinBy(by string, parts []string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, by)
}

package notify

import (
	"context"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Sender is a channel in the executor's terms (action.Sender).
type Sender struct{ Channel }

// Limits are the channel's quota, what it belongs to, and whether several messages may go as one.
func (s Sender) Limits() (q policy.Quota, destination string, digest bool) {
	_, single := s.Channel.(Single)
	if l, ok := s.Channel.(Limited); ok {
		return l.Quota(), l.Destination(), !single
	}
	return policy.Quota{}, "", !single
}

// Send sends the message; the error is a *cases.SendError.
func (s Sender) Send(ctx context.Context, m cases.Message) (cases.Receipt, error) {
	return s.Channel.Send(ctx, m).Result()
}

package notify

import (
	"context"

	"github.com/foreshock/foreshock/webhook/cases"
)

// Sender is a channel in the executor's terms (action.Sender).
type Sender struct{ Channel }

// Send sends the message; the error is a *cases.SendError.
func (s Sender) Send(ctx context.Context, m cases.Message) (cases.Receipt, error) {
	return s.Channel.Send(ctx, m).Result()
}

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/foreshock/foreshock/webhook/api"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/config"
	"github.com/foreshock/foreshock/webhook/notify"
)

// interactions are the ways by which people act from other services. The key of links that the configuration does not name is the store's; see guard.
func (a *App) interactions(file *config.File) (i api.Interactions, err error) {
	if i.Slack, err = file.Interactions.Slack.Keys(); err != nil {
		return i, fmt.Errorf("interactions.slack: %w", err)
	}
	if i.PagerDuty, err = file.Interactions.PagerDuty.Keys(); err != nil {
		return i, fmt.Errorf("interactions.pagerduty: %w", err)
	}
	i.Dedup = notify.CaseOfKey
	i.Link = api.LinkSigner{Valid: time.Duration(file.Interactions.Links.Valid)}
	if file.Interactions.Links.Enabled && file.ExternalURL != "" {
		i.Link.Key, err = file.LinkKey()
	}
	return i, err
}

// linkKey gives links the store's key where the configuration names none.
func (a *App) linkKey(s *state) error {
	l := &s.settings.Interactions.Link
	if l.Key != nil || !s.file.Interactions.Links.Enabled || s.file.ExternalURL == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	key, err := a.store.Key(ctx, "links")
	if err != nil {
		return err
	}
	l.Key = key
	return nil
}

// actLink is the address of the page that asks whether to do something to a case, "" when there are no such links.
func (a *App) actLink(c cases.Case, command string) string {
	s := a.state.Load().settings
	if len(s.Interactions.Link.Key) == 0 {
		return ""
	}
	to, err := url.JoinPath(s.ExternalURL, "act", s.Interactions.Link.Token(c.ID, c.Epoch, cases.Trigger(command), a.o.Now()))
	if err != nil {
		return ""
	}
	return to
}

// replySlack tells whoever clicked in Slack, and nobody else, why it was not done. Only Slack's own addresses are answered to: what is posted there would
// otherwise go where whoever holds the signing secret wants.
func (a *App) replySlack(ctx context.Context, address, text string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host != "hooks.slack.com" {
		return
	}
	body, err := json.Marshal(map[string]any{"response_type": "ephemeral", "replace_original": false, "text": notify.SlackText(text)})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, o := a.poster.Post(ctx, notify.Request{URL: notify.Secret(address), Header: map[string]string{"Content-Type": "application/json"}, Body: body})
	if o.Status != notify.StatusSent {
		a.o.Log.Warn("Slack did not take an answer to a click", "reason", o.Reason)
	}
}

package config

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Interactions are the ways by which people act from other services.
type Interactions struct {
	Slack     Signed `yaml:"slack"`     // signing secret of the app: POST /interactions/slack
	PagerDuty Signed `yaml:"pagerduty"` // secret of the webhook subscription: POST /interactions/pagerduty
	Links     Links  `yaml:"links"`     // signed links in messages
}

// Signed are the keys of a service that signs what it sends. Both are good while one is being replaced.
type Signed struct {
	Secret        notify.Secret `yaml:"secret"`
	SecretFile    string        `yaml:"secret_file"`
	OldSecret     notify.Secret `yaml:"old_secret"`
	OldSecretFile string        `yaml:"old_secret_file"`
}

// Links are links to pages that ask before they do something to a case.
type Links struct {
	Enabled bool            `yaml:"enabled"` // needs external_url
	Valid   policy.Duration `yaml:"valid"`   // how long a link is good for
	Key     notify.Secret   `yaml:"key"`     // "": one that is made and kept in the store
	KeyFile string          `yaml:"key_file"`
}

func defaultInteractions() Interactions {
	// A day: as long as an alert is news. Whoever comes later finds the case page behind the other link.
	return Interactions{Links: Links{Enabled: true, Valid: policy.Duration(24 * time.Hour)}}
}

// files are the paths in the section.
func (i *Interactions) files() []*string {
	return []*string{&i.Slack.SecretFile, &i.Slack.OldSecretFile, &i.PagerDuty.SecretFile, &i.PagerDuty.OldSecretFile, &i.Links.KeyFile}
}

// On reports whether there is a key.
func (s Signed) On() bool { return s.Secret != "" || s.SecretFile != "" }

// Keys reads the keys, the present one first; none when the way is closed.
func (s Signed) Keys() ([][]byte, error) {
	var out [][]byte
	for _, k := range []struct {
		direct notify.Secret
		file   string
	}{{s.Secret, s.SecretFile}, {s.OldSecret, s.OldSecretFile}} {
		v := k.direct
		if k.file != "" {
			var err error
			if v, err = notify.ReadSecret(k.file); err != nil {
				return nil, err
			}
		}
		if v != "" {
			out = append(out, []byte(v.Reveal()))
		}
	}
	return out, nil
}

// LinkKey is the key of signed links, nil when the store's is to be used.
func (f *File) LinkKey() ([]byte, error) {
	l := f.Interactions.Links
	v := l.Key
	if l.KeyFile != "" {
		var err error
		if v, err = notify.ReadSecret(l.KeyFile); err != nil {
			return nil, fmt.Errorf("interactions.links.key_file: %w", err)
		}
	}
	if v == "" {
		return nil, nil
	}
	return []byte(v.Reveal()), nil
}

// minKey is the shortest key of links that is taken: as long as the signature is strong.
const minKey = 16

func (f *File) interactions() error {
	var errs []error
	for _, s := range []struct {
		name string
		v    Signed
	}{{"slack", f.Interactions.Slack}, {"pagerduty", f.Interactions.PagerDuty}} {
		at := "interactions." + s.name
		switch {
		case s.v.Secret != "" && s.v.SecretFile != "":
			errs = append(errs, fmt.Errorf("%s: both secret and secret_file are set: want one", at))
		case s.v.OldSecret != "" && s.v.OldSecretFile != "":
			errs = append(errs, fmt.Errorf("%s: both old_secret and old_secret_file are set: want one", at))
		case !s.v.On() && (s.v.OldSecret != "" || s.v.OldSecretFile != ""):
			errs = append(errs, fmt.Errorf("%s.secret: is empty, and there is an old one: want the present one in secret", at))
		}
	}
	l := f.Interactions.Links
	switch {
	case l.Key != "" && l.KeyFile != "":
		errs = append(errs, errors.New("interactions.links: both key and key_file are set: want one"))
	case l.Key != "" && len(l.Key.Reveal()) < minKey:
		errs = append(errs, fmt.Errorf("interactions.links.key: is shorter than %d characters: want a long random text, or none for one that is made", minKey))
	case l.Valid < policy.Duration(time.Minute) || l.Valid > policy.Duration(30*24*time.Hour):
		errs = append(errs, fmt.Errorf("interactions.links.valid: got %s, want 1m to 30d", l.Valid))
	}
	return errors.Join(errs...)
}

// reach orders kinds of channels by how surely they reach somebody: whom to turn to when another fails. A log reaches nobody.
func reach() []string {
	return []string{"pagerduty", "slack", "dingtalk", "feishu", "wecom", "telegram", "email", "webhook"}
}

// fallback checks the section, and fills orders that are not given: every channel that reaches people, the surest first.
func (f *File) fallback() error {
	var order []string
	for _, kind := range reach() {
		order = append(order, f.Channels.of(kind)...)
	}
	o := &f.Fallback.Order
	for _, to := range []*[]string{&o.P0, &o.P1, &o.P2, &o.P3} {
		if len(*to) == 0 {
			*to = order
		}
	}
	return f.Fallback.Validate(f.Channels.Names())
}

// of are the names of the channels of a kind, sorted.
func (c Channels) of(kinds ...string) []string {
	var out []string
	for _, name := range c.Names() {
		if slices.Contains(kinds, c[name].Type) {
			out = append(out, name)
		}
	}
	return out
}

// routes are those that hold when none are written: P0 pages and is shown in chats, P1 is shown in chats, the rest goes to the calmest chat; kinds of
// channels that have no place in this (mail, logs, programs, other chats) hear of everything. A grade of which nobody would hear goes to all.
func (c Channels) routes() []policy.Route {
	placed := []string{"pagerduty", "slack", "dingtalk", "wecom"}
	if len(c.of(placed...)) == 0 {
		return []policy.Route{{Name: "default", Channels: c.Names()}} // one obvious route: everything to every channel
	}
	var others []string
	for _, name := range c.Names() {
		if !slices.Contains(placed, c[name].Type) {
			others = append(others, name)
		}
	}
	route := func(name string, grades []policy.Grade, kinds ...string) policy.Route {
		var to []string
		for _, k := range kinds {
			to = append(to, c.of(k)...)
		}
		if to = append(to, others...); len(to) == 0 {
			to = c.Names()
		}
		return policy.Route{Name: name, Grades: grades, Channels: to}
	}
	return []policy.Route{
		route("default P0", []policy.Grade{policy.P0}, "pagerduty", "slack", "dingtalk"),
		route("default P1", []policy.Grade{policy.P1}, "slack", "wecom"),
		route("default", nil, "wecom"),
	}
}

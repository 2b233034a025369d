package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/foreshock/foreshock/webhook/notify"
)

// loki checks the section loki, and that there is one where a rule asks for it.
func (f *File) loki() error {
	l := f.Loki
	u, err := url.Parse(l.URL)
	switch {
	case l.URL == "" && l != (Loki{}):
		return errors.New("loki.url: is missing: want an address like http://loki:3100")
	case l.URL != "" && (err != nil || !goodURL(l.URL)):
		return errors.New("loki.url: want an address like http://loki:3100")
	case l.URL != "" && u.User != nil:
		return errors.New("loki.url: holds a user: want user and password in loki.user and loki.password or loki.password_file")
	case l.Password != "" && l.PasswordFile != "":
		return errors.New("loki: both password and password_file are set: want one")
	case l.Token != "" && l.TokenFile != "":
		return errors.New("loki: both token and token_file are set: want one")
	case (l.User != "" || l.Password != "" || l.PasswordFile != "") && (l.Token != "" || l.TokenFile != ""):
		return errors.New("loki: both a user with password and a token are set: want one")
	case l.User == "" && (l.Password != "" || l.PasswordFile != ""):
		return errors.New("loki.user: is missing: want the user whose password is given")
	case l.User != "" && l.Password == "" && l.PasswordFile == "":
		return errors.New("loki.password: is missing: want the password of loki.user, or password_file")
	case strings.ContainsFunc(l.Tenant, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("loki.tenant: got %.40q, want letters, digits and signs of ASCII without spaces", l.Tenant)
	}
	for i, r := range f.Noise.Regrade {
		if r.LogQL.Asked() && l.URL == "" {
			return fmt.Errorf("noise.regrade[%d].logql: there is nobody to ask: want loki.url", i)
		}
	}
	return nil
}

// LokiSecrets are the password and the token for Loki, "" where there is none. Secret files are read here.
func (f *File) LokiSecrets() (password, token notify.Secret, err error) {
	password, token = f.Loki.Password, f.Loki.Token
	if f.Loki.PasswordFile != "" {
		if password, err = notify.ReadSecret(f.Loki.PasswordFile); err != nil {
			return "", "", fmt.Errorf("loki.password_file: %w", err)
		}
	}
	if f.Loki.TokenFile != "" {
		if token, err = notify.ReadSecret(f.Loki.TokenFile); err != nil {
			return "", "", fmt.Errorf("loki.token_file: %w", err)
		}
	}
	if strings.ContainsFunc(token.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", "", errors.New("loki.token: want one word of ASCII, as it goes into a header")
	}
	return password, token, nil
}

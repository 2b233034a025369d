package logs

import (
	"strings"
	"testing"
)

// Credentials never become part of a template, with or without a key, nor of the state.
func TestCredentialsInTemplates(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.SECRETabc x": "Authorization: <*> x",
		"Authorization: Basic SECRETXNlcjpwYXNz== x":                             "Authorization: <*> x",
		"Authorization: Digest SECRET x":                                         "Authorization: <*> x",
		`{"authorization":"Bearer SECRETAbCd","n":"x"}`:                          `{"authorization":"<*>","n":"x"}`,
		`{"authorization":"Bearer SECRET\"AbCd and SECRET","n":"x"}`:             `{"authorization":"<*>","n":"x"}`,
		`body {\"password\":\"SECRET\",\"n\":\"x\"}`:                             `body {\"password\":<*>\",\"n\":\"x\"}`,
		"auth Bearer sk-live-SECRET refused":                                     "auth Bearer <*> refused",
		"auth Bearer SECRETsecretXyz= refused":                                   "auth Bearer <*> refused",
		"Cookie: session=SECRETgh":                                               "Cookie: <*>",
		"Cookie: session=SECRETgh; theme=SECRET; Path x":                         "Cookie: <*>; Path x",
		"jwt eyJSECRETciOiJ.eyJSECRET.SECRET_d refused":                          "jwt <*> refused",
		"jwt eyJSECRETbGciOiJIUzINiJabc refused":                                 "jwt <*> refused",
		"password=SECRET:SECRET=SECRET end":                                      "password=<*> end",
		"password=!SECRET|SECRET end":                                            "password=<*> end",
		`password="SECRET and SECRET`:                                            `password="<*>`,
		"password=(SECRET) end":                                                  "password=***) end",
		"GET https://host/path?token=SECRET end":                                 "GET <*> end",
		"open postgres://me:SECRET@db/x end":                                     "open <*> end",
		// no credentials
		"Basic authentication failed":  "Basic authentication failed",
		"Bearer initialization failed": "Bearer initialization failed",
		"password authentication done": "password authentication done",
	} {
		m := newMiner(t, DefaultOptions())
		addAll(m, line)
		v := m.Templates()[0]
		if v.Text != want || m.Text(v.ID) != want || len(v.Steps) > 0 && v.Steps[0].Text != want {
			t.Errorf("%q: got %q, steps %q, want %q", line, v.Text, v.Steps, want)
		}
		if strings.Contains(v.Example, "SECRET") {
			t.Errorf("%q: the example %q", line, v.Example)
		}
		if line != "password=(SECRET) end" && strings.Contains(string(m.Marshal()), "SECRET") {
			t.Errorf("%q: the state %q", line, m.Marshal())
		}
	}
}

// What an earlier version learnt is shown without secrets, under the same id.
func TestCredentialsInTextsOfEarlierVersions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Authorization: <*> eyJhbGciOiJI.eyJzdWIi.abc x": "Authorization: <*> *** x",
		"Authorization: <*> QWxhZGRpbjpvcGVuIHNl x":      "Authorization: <*> *** x",
		"Authorization: <*> failed":                      "Authorization: <*> failed",
		"auth Bearer sk-live-abc x":                      "auth Bearer *** x",
		"Cookie: <*>=abcdefgh x":                         "Cookie: *** x",
		`token=<*> api_key="<*>" <*>:<*>@`:               `token=<*> api_key="<*>" <*>:<*>@`,
	} {
		if got := redact(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

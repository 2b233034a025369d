package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/webhook/auth"
)

const someHash = "$2y$08$abcdefghijklmnopqrstuuOEI0jU5gkAsYfNzpzzJkOmzR9qcK0bG"

func TestMistakesOfAuth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"auth: {users: {ann: {password_hash: x, role: boss}}}", `line 2: auth.users.ann.role: got "boss", want one of viewer, responder, admin`},
		{"auth: {users: {ann: {role: admin}}}", "line 2: auth.users.ann.password_hash: is empty: want the bcrypt hash of a password, as htpasswd -nBC 12 ann makes it"},
		{"auth: {tokens: {am: {token: 0123456789abcdef, role: none}}}", `line 2: auth.tokens.am.role: got "none", want one of sender, viewer, responder, admin`},
		{"auth: {tokens: {am: {role: sender}}}", "line 2: auth.tokens.am: want one of token and token_file"},
		{"auth: {roles: {boss: {users: [ann]}}}", `line 2: auth.roles: got "boss", want one of viewer, responder, admin`},
		{"auth: {default_role: all}", `line 2: auth.default_role: got "all", want one of none, viewer, responder, admin`},
		{"auth: {deliveries: closed}", `line 2: auth.deliveries: got "closed", want one of open, credentials`},
		{"auth: {deliveries: credentials}", `line 2: auth.deliveries: got "credentials", and there are no auth.tokens and no auth.users: nobody could send alerts`},
		{"auth: {session: 1s}", "line 2: auth.session: got 1s, want at least 1m"},
		{"auth: {proxy: {header: X-User}}", "line 2: auth.proxy.networks: is empty: want the addresses of the proxy, such as 10.0.0.5/32: anybody else could send the header"},
		{"auth: {proxy: {networks: [10.0.0.5]}}", "line 2: auth.proxy.header: is empty: want the header in which the proxy names the user, such as X-Forwarded-User"},
		{"auth: {proxy: {header: X-User, networks: [ten]}}", `line 2: auth.proxy.networks[0]: got "ten", want an address or a network like 10.0.0.0/8`},
		{"auth: {oidc: {client_id: x}}", "line 2: auth.oidc.issuer: is empty: want the address of the provider, such as https://accounts.example.com"},
		{"auth: {oidc: {issuer: accounts}}", `line 2: auth.oidc.issuer: got "accounts", want an address like https://accounts.example.com`},
		{"auth: {oidc: {issuer: 'https://a.example'}}", "line 2: auth.oidc.client_id: is empty: want the name under which the provider knows this service"},
		{"auth: {oidc: {issuer: 'https://a.example', client_id: x}}", "external_url: is empty: auth.oidc needs the address to which the provider sends people back"},
		{"grafana: {url: here}", "line 2: grafana.url: want an address like https://grafana.example.com"},
	} {
		_, err := Parse([]byte(minimal + tt.text))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s:\ngot  %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "am.token"), []byte("a-token-of-enough-characters\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(text string) *File {
		path := filepath.Join(dir, "c.yml")
		if err := os.WriteFile(path, []byte(minimal+text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	key := make([]byte, 32)
	if g, err := write("").Guard(key, nil); g != nil || err != nil {
		t.Errorf("without the section: %v, %v", g, err)
	}
	f := write("auth: {users: {ann: {password_hash: " + someHash + ", role: admin}}, tokens: {am: {token_file: am.token, role: sender}}, deliveries: credentials}")
	g, err := f.Guard(key, nil)
	if err != nil || !g.Deliveries() || !g.Passwords() || g.SignIn() {
		t.Fatalf("%v, %v", g, err)
	}
	if text := fmt.Sprintf("%+v", f); strings.Contains(text, someHash) {
		t.Error("printing the configuration shows a hash")
	}
	for text, want := range map[string]string{
		"auth: {tokens: {am: {token_file: none, role: sender}}}":           "auth.tokens.am.token_file: ",
		"auth: {tokens: {am: {token: short, role: sender}}}":               "auth.tokens.am: the token is shorter than 16 characters",
		"auth: {users: {ann: {password_hash: s3cr3t-plain, role: admin}}}": `auth: user "ann": the password hash is not one of bcrypt`,
	} {
		if _, err := write(text).Guard(key, nil); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if !auth.Admin.May(auth.Sender) {
		t.Error("roles are out of order")
	}
}

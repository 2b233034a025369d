package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/foreshock/foreshock/pkg/casesapi"
)

// commands are what Grafana's users may do to a case.
var commands = []string{"acknowledge", "start", "wait", "release", "resolve", "close", "reopen", "take", "mute", "useful", "noise"}

// commandRoles are the roles of Grafana whose users may: they answer to the webhook's responder.
var commandRoles = []string{"Editor", "Admin", "Grafana Admin"}

var caseID = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)

// maxNote bounds the body of a command, in bytes.
const maxNote = 16 << 10

// serveCommand carries out POST cases/{id}/{command} in the name of the user who is signed in to Grafana; the body is {"note": "…"}, or nothing.
func (d *Datasource) serveCommand(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), resourceTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			answer(w, http.StatusInternalServerError, failure(failed(ctx, panicked(p)).Error.Error()))
		}
	}()
	if r.Body == nil { // as Grafana passes on a request without one
		r.Body = http.NoBody
	}
	status, body := d.command(ctx, r)
	answer(w, status, body)
}

func (d *Datasource) command(ctx context.Context, r *http.Request) (int, any) {
	fail := func(status int, format string, args ...any) (int, any) {
		return status, failure(fmt.Sprintf(format, args...))
	}
	switch {
	case r.Method != http.MethodPost:
		return fail(http.StatusMethodNotAllowed, "method %s is not allowed: want POST", r.Method)
	case d.broken != nil:
		return fail(http.StatusBadRequest, "%s", d.broken)
	case d.cases == nil:
		return fail(http.StatusBadRequest, "%s", errNoWebhook)
	}
	user := backend.UserFromContext(ctx)
	if user == nil || user.Login == "" {
		return fail(http.StatusForbidden, "nobody is signed in to Grafana: commands need somebody whose name is recorded")
	}
	if !slices.Contains(commandRoles, user.Role) {
		return fail(http.StatusForbidden, "the role %.20q in Grafana may only look: want one of %s", user.Role, strings.Join(commandRoles, ", "))
	}
	id, name := r.PathValue("id"), r.PathValue("command")
	if !caseID.MatchString(id) {
		return fail(http.StatusBadRequest, "%.80q is not the ID of a case", id)
	}
	if !slices.Contains(commands, name) {
		return fail(http.StatusNotFound, "unknown command %.40q: want one of %s", name, strings.Join(commands, ", "))
	}
	var in struct {
		Note string `json:"note"`
	}
	dec := json.NewDecoder(io.LimitReader(r.Body, maxNote))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		return fail(http.StatusBadRequest, `want a JSON object like {"note": "looking into it"}, or nothing`)
	}
	changed, err := d.cases.Command(ctx, id, name, user.Login, in.Note)
	var said *casesapi.Error
	switch {
	case errors.As(err, &said) && (said.Status == http.StatusNotFound || said.Status == http.StatusConflict || said.Status == http.StatusBadRequest):
		return fail(said.Status, "%s", said.Text)
	case err != nil:
		return fail(http.StatusBadGateway, "%s", err) // not 401 or 403: those would speak of Grafana's own user
	}
	return http.StatusOK, changed
}

package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// Interactions are the keys of those who may act from other services; a way without keys is closed.
type Interactions struct {
	Slack     [][]byte // signing secrets, any of which is good
	PagerDuty [][]byte
	// Dedup finds the case and the opening in a dedup_key of ours.
	Dedup func(key string) (caseID string, epoch int, ok bool)
	Link  LinkSigner
}

// OpenPaths are the beginnings of addresses that check for themselves who asks, for Options.Open.
func OpenPaths() []string { return []string{"/interactions/", "/act/"} }

// Bounds of a signed request.
const (
	// signedFor is how old a request of Slack may be, in both directions, as its documentation recommends.
	signedFor = 5 * time.Minute
	// eventFor is how old an event of PagerDuty may be: it repeats for up to two days.
	eventFor = 72 * time.Hour
	// maxInteraction bounds a body: Slack sends the message along that was clicked.
	maxInteraction = 1 << 20
)

func (h *Handler) interactionRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /interactions/slack", h.slack)
	mux.HandleFunc("POST /interactions/pagerduty", h.pagerDuty)
	mux.HandleFunc("GET /act/{token}", h.pageAct)
	mux.HandleFunc("POST /act/{token}", h.actOn)
}

// unsigned answers a request whose signature is not good; why is for the log alone.
func (h *Handler) unsigned(w http.ResponseWriter, r *http.Request, service, why string) {
	h.metrics.interactions.WithLabelValues(service, "refused").Inc()
	h.o.Log.Warn("a request from outside was refused", "service", service, "from", origin(r), "why", why)
	refuse(w, http.StatusUnauthorized, "the signature is missing, wrong or too old")
}

// signedBody reads a body and tells whether one of the keys signed it: made says what is signed, given lists the signatures in hexadecimal.
func signedBody(w http.ResponseWriter, r *http.Request, keys [][]byte, prefix string, given []string) (body []byte, by string, err error) {
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxInteraction))
	if err != nil {
		return nil, "", err
	}
	for _, text := range given {
		sum, err := hex.DecodeString(text)
		if err != nil {
			continue
		}
		for _, key := range keys {
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(prefix))
			mac.Write(body)
			if hmac.Equal(sum, mac.Sum(nil)) {
				return body, strings.ToLower(text), nil
			}
		}
	}
	return body, "", nil
}

// slackPayload is what Slack sends when somebody clicks. Source: https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
type slackPayload struct {
	Type string `json:"type"`
	User struct {
		ID       string `json:"id"`
		Username string `json:"username"`
		Name     string `json:"name"`
	} `json:"user"`
	ResponseURL string `json:"response_url"`
	Actions     []struct {
		ActionID string `json:"action_id"`
		Value    string `json:"value"`
	} `json:"actions"`
}

// slack takes a click. Signature: https://docs.slack.dev/authentication/verifying-requests-from-slack
func (h *Handler) slack(w http.ResponseWriter, r *http.Request) {
	keys := h.o.Settings().Interactions.Slack
	if len(keys) == 0 {
		refuse(w, http.StatusNotFound, "interactions.slack is not configured")
		return
	}
	stamp := r.Header.Get("X-Slack-Request-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || h.o.Now().Sub(time.Unix(seconds, 0)).Abs() > signedFor {
		h.unsigned(w, r, "slack", "the time is missing or too far from now")
		return
	}
	given, ok := strings.CutPrefix(r.Header.Get("X-Slack-Signature"), "v0=")
	body, by, err := signedBody(w, r, keys, "v0:"+stamp+":", []string{given})
	if !ok || err != nil || by == "" {
		h.unsigned(w, r, "slack", "the signature is wrong")
		return
	}
	form, err := url.ParseQuery(string(body))
	var p slackPayload
	if err == nil {
		err = json.Unmarshal([]byte(form.Get("payload")), &p)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "this is no interaction")
		return
	}
	for i, a := range p.Actions {
		command, ours := strings.CutPrefix(a.ActionID, "foreshock:")
		caseID, number, two := strings.Cut(a.Value, "/")
		epoch, err := strconv.Atoi(number)
		if p.Type != "block_actions" || !ours || !two || err != nil {
			continue // buttons that are links, or of another app's message
		}
		o := order{
			CaseID: caseID, Epoch: epoch, On: slackCommand(command), By: slackName(p), From: "slack " + line(p.User.ID, 40), Via: cases.ViaSlack,
			At: h.now(), Once: "slack/" + by + "/" + strconv.Itoa(i),
		}
		if o.On == cases.Take {
			o.To = o.By
		}
		if !h.interact(w, r, "slack", o, p.ResponseURL) {
			return
		}
	}
	w.WriteHeader(http.StatusOK)
}

func slackName(p slackPayload) string {
	for _, name := range []string{p.User.Username, p.User.Name, p.User.ID} {
		if name = line(name, maxName); name != "" {
			return name
		}
	}
	return "somebody in Slack"
}

// slackCommand is the command of a button.
func slackCommand(button string) cases.Trigger {
	if button == "assign" {
		return cases.Take
	}
	return cases.Trigger(button)
}

func (h *Handler) now() time.Time { return h.o.Now().UTC().Truncate(time.Microsecond) }

// interact carries out what somebody did in another service. It answers, and returns false, only when the service shall send it again: everything that is
// the person's matter, such as being too late, is told to the person where the service has a way for that.
func (h *Handler) interact(w http.ResponseWriter, r *http.Request, service string, o order, reply string) bool {
	_, err := h.carryOut(r.Context(), o)
	var mistake *badRequest
	switch {
	case err == nil:
		h.metrics.interactions.WithLabelValues(service, "done").Inc()
	case errors.Is(err, cases.ErrRepeated):
		h.metrics.interactions.WithLabelValues(service, "repeated").Inc()
		h.o.Log.Warn("a request from outside was repeated and counts once", "service", service, "from", origin(r), "case", o.CaseID)
	case errors.As(err, &mistake), errors.Is(err, cases.ErrNotFound):
		h.metrics.interactions.WithLabelValues(service, "too_late").Inc()
		h.o.Log.Info("a request from outside could not be carried out", "service", service, "case", o.CaseID, "command", string(o.On), "by", o.By, "why", err)
		if h.o.Reply != nil && reply != "" {
			_, text := h.classify(r.Context(), r.Pattern, err)
			go h.o.Reply(context.WithoutCancel(r.Context()), reply, text)
		}
	default:
		h.metrics.interactions.WithLabelValues(service, "failed").Inc()
		h.trouble(w, r, err)
		return false
	}
	return true
}

// pagerDutyEvent is a webhook of version 3. Source: https://developer.pagerduty.com/docs/webhooks-overview
type pagerDutyEvent struct {
	Event struct {
		ID         string    `json:"id"`
		EventType  string    `json:"event_type"`
		OccurredAt time.Time `json:"occurred_at"`
		Agent      *struct {
			Summary string `json:"summary"`
			Type    string `json:"type"`
		} `json:"agent"`
		Data struct {
			ID          string `json:"id"`
			Type        string `json:"type"`
			IncidentKey string `json:"incident_key"`
			Content     string `json:"content"` // of a note
			Incident    *struct {
				ID string `json:"id"`
			} `json:"incident"`
		} `json:"data"`
	} `json:"event"`
}

// pagerDuty takes what happened to an incident of ours. Signature: https://developer.pagerduty.com/docs/verifying-webhook-signatures
func (h *Handler) pagerDuty(w http.ResponseWriter, r *http.Request) {
	i := h.o.Settings().Interactions
	if len(i.PagerDuty) == 0 {
		refuse(w, http.StatusNotFound, "interactions.pagerduty is not configured")
		return
	}
	var given []string
	for part := range strings.SplitSeq(r.Header.Get("X-PagerDuty-Signature"), ",") {
		if sum, ok := strings.CutPrefix(strings.TrimSpace(part), "v1="); ok && len(given) < 8 {
			given = append(given, sum)
		}
	}
	body, by, err := signedBody(w, r, i.PagerDuty, "", given)
	if err != nil || by == "" {
		h.unsigned(w, r, "pagerduty", "the signature is wrong")
		return
	}
	var e pagerDutyEvent
	if err := json.Unmarshal(body, &e); err != nil {
		refuse(w, http.StatusBadRequest, "this is no event")
		return
	}
	if e.Event.EventType == "pagey.ping" { // the test of the subscription
		w.WriteHeader(http.StatusOK)
		return
	}
	if h.o.Now().Sub(e.Event.OccurredAt).Abs() > eventFor {
		h.unsigned(w, r, "pagerduty", "the event is too old")
		return
	}
	on, ok := map[string]cases.Trigger{
		"incident.acknowledged": cases.Acknowledge, "incident.resolved": cases.Resolve, "incident.unacknowledged": cases.Release, "incident.reopened": cases.Reopen,
	}[e.Event.EventType]
	caseID, epoch, ours := "", 0, false
	if i.Dedup != nil {
		caseID, epoch, ours = i.Dedup(e.Event.Data.IncidentKey)
	}
	if !ok || !ours || e.Event.ID == "" {
		w.WriteHeader(http.StatusOK) // not about a case
		return
	}
	who := "somebody in PagerDuty"
	if a := e.Event.Agent; a != nil && line(a.Summary, maxName) != "" {
		who = line(a.Summary, maxName)
	}
	o := order{
		CaseID: caseID, Epoch: epoch, On: on, By: who, From: "pagerduty " + line(e.Event.Data.ID, 40), Via: cases.ViaPagerDuty, At: h.now(),
		First: on == cases.Acknowledge, Once: "pagerduty/" + line(e.Event.ID, 100),
	}
	if h.interact(w, r, "pagerduty", o, "") {
		w.WriteHeader(http.StatusOK)
	}
}

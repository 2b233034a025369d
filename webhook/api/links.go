package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Links are for services whose messages can only hold addresses. Whoever has the link may do the one thing that it is for, to one opening of one case, once, until
// it runs out. Opening it shows the case and asks; only the form on that page acts, so that programs that look at addresses in messages change nothing.

// LinkSigner makes and checks links.
type LinkSigner struct {
	Key   []byte // nil: there are no links
	Valid time.Duration
}

// linkVersion is in every signature, so that another form of link can never be read as this one.
const linkVersion = "foreshock-link-1"

// linkCommands are what a link may be for.
func linkCommands() []cases.Trigger { return []cases.Trigger{cases.Acknowledge, cases.Resolve} }

// Token is the last part of the address: command.case.opening.end.signature.
func (s LinkSigner) Token(caseID string, epoch int, on cases.Trigger, now time.Time) string {
	return s.token(caseID, epoch, on, now.Add(s.Valid))
}

func (s LinkSigner) token(caseID string, epoch int, on cases.Trigger, ends time.Time) string {
	text := fmt.Sprintf("%s.%s.%d.%d", on, base64.RawURLEncoding.EncodeToString([]byte(caseID)), epoch, ends.Unix())
	return text + "." + s.sign(text)
}

func (s LinkSigner) sign(text string) string {
	mac := hmac.New(sha256.New, s.Key)
	mac.Write([]byte(linkVersion + "\n" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

var (
	errLinkWrong = errors.New("this link is not one of ours, or was changed on its way")
	errLinkOver  = errors.New("this link has run out")
)

// read checks a token.
func (s LinkSigner) read(token string, now time.Time) (caseID string, epoch int, on cases.Trigger, err error) {
	i := strings.LastIndexByte(token, '.')
	if len(s.Key) == 0 || i < 0 || len(token) > 1000 {
		return "", 0, "", errLinkWrong
	}
	if !hmac.Equal([]byte(s.sign(token[:i])), []byte(token[i+1:])) {
		return "", 0, "", errLinkWrong
	}
	parts := strings.Split(token[:i], ".")
	if len(parts) != 4 {
		return "", 0, "", errLinkWrong
	}
	id, err1 := base64.RawURLEncoding.DecodeString(parts[1])
	epoch, err2 := strconv.Atoi(parts[2])
	ends, err3 := strconv.ParseInt(parts[3], 10, 64)
	on = cases.Trigger(parts[0])
	if err1 != nil || err2 != nil || err3 != nil || !slices.Contains(linkCommands(), on) {
		return "", 0, "", errLinkWrong
	}
	if now.Unix() >= ends {
		return "", 0, "", errLinkOver
	}
	return string(id), epoch, on, nil
}

// actView is the page behind a link.
type actView struct {
	Case    cases.Case
	Command cases.Trigger
	Done    bool // it was carried out just now
	Over    bool // there is nothing left to do
	Token   string
}

// act reads the link of a request, and the case that it is about.
func (h *Handler) act(w http.ResponseWriter, r *http.Request) (v actView, epoch int, ok bool) {
	s := h.o.Settings().Interactions.Link
	token := r.PathValue("token")
	caseID, epoch, on, err := s.read(token, h.o.Now())
	if err != nil {
		code, key := http.StatusForbidden, "webhook.act.wrong"
		if errors.Is(err, errLinkOver) {
			code, key = http.StatusGone, "webhook.act.over"
		}
		h.metrics.interactions.WithLabelValues("link", "refused").Inc()
		h.draw(w, r, "error", page{Body: errorView{code, message.Text(h.lang(w, r), key)}})
		return v, 0, false
	}
	story, err := h.o.Store.Story(r.Context(), caseID)
	if err != nil {
		h.pageTrouble(w, r, err)
		return v, 0, false
	}
	v = actView{Case: story.Case, Command: on, Token: token}
	v.Over = story.Case.Epoch != epoch || !slices.Contains(possible(story.Case.State), on)
	return v, epoch, true
}

// pageAct shows what the link is for. It changes nothing.
func (h *Handler) pageAct(w http.ResponseWriter, r *http.Request) {
	if v, _, ok := h.act(w, r); ok {
		h.draw(w, r, "act", page{Title: message.Text(h.lang(w, r), "webhook.page.command."+string(v.Command)), Body: v})
	}
}

// actOn does what the link is for.
func (h *Handler) actOn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "the form cannot be read")
		return
	}
	v, epoch, ok := h.act(w, r)
	if !ok {
		return
	}
	if !v.Over {
		by := line(r.PostForm.Get("by"), maxName)
		if by == "" {
			by = "somebody with a link"
		}
		c, err := h.carryOut(r.Context(), order{CaseID: v.Case.ID, Epoch: epoch, On: v.Command, By: by, From: origin(r), Via: cases.ViaLink, Note: prose(r.PostForm.Get("note")), At: h.now(), Once: "link/" + v.Token[strings.LastIndexByte(v.Token, '.')+1:]})
		var mistake *badRequest
		switch {
		case errors.Is(err, cases.ErrRepeated), errors.As(err, &mistake):
			v.Over = true
			h.metrics.interactions.WithLabelValues("link", "too_late").Inc()
		case err != nil:
			h.metrics.interactions.WithLabelValues("link", "failed").Inc()
			h.pageTrouble(w, r, err)
			return
		default:
			v.Done, v.Case = true, c
			h.metrics.interactions.WithLabelValues("link", "done").Inc()
		}
	}
	h.draw(w, r, "act", page{Title: message.Text(h.lang(w, r), "webhook.page.command."+string(v.Command)), Body: v})
}

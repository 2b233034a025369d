package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/alert"
)

// commitPatience bounds one delivery's way through the chain and the store, within the time that the listener allows for an answer. It
// goes on when the sender hangs up: what was decided is kept, and the sender's next try is a repetition.
const commitPatience = 100 * time.Second

// receive takes one alert message. The answers, and what senders make of them:
//
//	200  durable. Alertmanager goes on
//	400  not JSON, or not unpackable: it never can be read. Counted
//	401  a signature is asked for and is missing or wrong
//	503  anything else. Alertmanager repeats it
func (h *Handler) receive(w http.ResponseWriter, r *http.Request) {
	began := h.o.Now()
	s := h.o.Settings()
	d, b, result, err := h.read(r, s)
	// A large body keeps its slot until its delivery is done with: so long are its labels in memory.
	defer b.Close()
	if err != nil {
		h.metrics.refused(result)
		h.o.Log.Warn("a delivery was not taken", "result", result, "from", origin(r), "err", err)
		h.refuseDelivery(w, r, result, err)
		return
	}
	if d.Cluster, err = cluster(r, s); err != nil {
		h.metrics.refused(resultAddress)
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	d.ID, d.Sender, d.Received = ulid.Make().String(), origin(r), began.UTC().Truncate(time.Microsecond)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), commitPatience)
	defer cancel()
	receipt, err := h.o.Intake.Deliver(ctx, d)
	if err != nil {
		h.metrics.refused(resultStore)
		h.o.Log.Error("a delivery could not be stored; the sender is asked to repeat it", "from", d.Sender, "err", err)
		h.refuseDelivery(w, r, resultStore, err)
		return
	}
	h.metrics.taken(d)
	if n := d.Message.TruncatedAlerts; n > 0 {
		h.o.Log.Warn("the sender left alerts off: set its max_alerts to 0", "alerts", n, "from", d.Sender, "receiver", d.Message.Receiver)
	}
	answer(w, http.StatusOK, receipt)
}

// cluster is the name that the sender's address gives, else the configured one. A wrong name is the mistake of whoever configured the
// sender; its alerts must not be dropped for it, so it is answered 503 until it is corrected.
func cluster(r *http.Request, s Settings) (string, error) {
	name := r.URL.Query().Get("cluster")
	if name == "" {
		return s.Cluster, nil
	}
	if len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return "", fmt.Errorf("cluster %.80q: want 1 to 64 letters, digits, '-', '_' or '.'", name)
	}
	return name, nil
}

// read reads and checks the body, which is to be closed. The result names what went wrong.
func (h *Handler) read(r *http.Request, s Settings) (d alert.Delivery, b *body, result string, err error) {
	if b, err = h.open(r, s.Body, s.Grafana.Key, s.Grafana.prefix(r)); err != nil {
		return d, b, resultOf(err), err
	}
	rec := alert.NewRecorder(b, s.Raw)
	d.Message, err = alert.Decode(rec, s.Limits)
	d.Raw, d.RawSize, d.RawCut = rec.Copy()
	if err != nil {
		return d, b, resultOf(err), err
	}
	if s.Grafana.on() && (d.Message.Source == alert.Grafana || r.URL.Path == "/grafana") {
		if err := h.check(r, s.Grafana, b); err != nil {
			return d, b, resultSignature, err
		}
	}
	return d, b, "", nil
}

func (h *Handler) check(r *http.Request, s Signature, b *body) error {
	sum, sentence := s.given(r, h.o.Now())
	if sentence == "" && !b.signed(sum) {
		sentence = "the signature does not fit the body: are the secrets and the timestamp header on both sides the same?"
	}
	if sentence != "" {
		return errors.New(sentence)
	}
	return nil
}

// resultOf sorts errors of reading.
func resultOf(err error) string {
	switch {
	case errors.Is(err, alert.ErrNotJSON), errors.Is(err, errCoding):
		return resultNotJSON
	case errors.Is(err, alert.ErrTooBig), errors.Is(err, errTooLarge):
		return resultTooLarge
	case errors.Is(err, errBusy):
		return resultBusy
	}
	return resultRead
}

func (h *Handler) refuseDelivery(w http.ResponseWriter, r *http.Request, result string, err error) {
	// What was not read of a large body is not worth reading: the connection is closed instead.
	w.Header().Set("Connection", "close")
	switch result {
	case resultNotJSON:
		refuse(w, http.StatusBadRequest, err.Error())
	case resultSignature:
		refuse(w, http.StatusUnauthorized, err.Error())
	case resultTooLarge, resultBusy:
		w.Header().Set("Retry-After", "30")
		refuse(w, http.StatusServiceUnavailable, err.Error()+": nothing of it was taken, it will be when it is repeated and fits")
	case resultStore:
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, "the delivery could not be stored: try again")
	default:
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, "the body did not arrive: try again")
	}
}

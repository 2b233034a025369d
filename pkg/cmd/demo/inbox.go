package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/foreshock/foreshock/webhook/notify"
)

// inbox stands for whoever is told: an address that the webhook's channel posts to.
type inbox struct {
	url    string
	server *http.Server
	got    chan notice
}

// notice is one message that arrived.
type notice struct {
	at time.Time
	notify.WebhookBody
}

// startInbox listens on a free loopback port. Messages wait on the channel got; one that nobody takes in time is answered 503, so that it
// comes again.
func startInbox() (*inbox, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &inbox{url: "http://" + l.Addr().String() + "/", got: make(chan notice, 1000)}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(l) }() // ends with Stop
	return r, nil
}

// Stop closes it.
func (r *inbox) Stop() { r.server.Close() }

// ServeHTTP takes one message.
func (r *inbox) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	n := notice{at: time.Now()}
	if err := json.NewDecoder(io.LimitReader(req.Body, 16<<20)).Decode(&n.WebhookBody); err != nil {
		http.Error(w, "want the JSON of the webhook channel: "+err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case r.got <- n:
	case <-time.After(time.Second):
		http.Error(w, "busy", http.StatusServiceUnavailable)
	}
}

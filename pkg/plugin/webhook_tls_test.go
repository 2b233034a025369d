package plugin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// TestWebhookTLS: the CA of the data source holds for the webhook, its client certificate is not shown to it, and its connections end with the instance.
func TestWebhookTLS(t *testing.T) {
	t.Parallel()
	shown := make(chan int, 10)
	ended := make(chan struct{}, 10)
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- len(r.TLS.PeerCertificates)
		fmt.Fprint(w, `{"cases": []}`)
	}))
	h.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	h.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			ended <- struct{}{}
		}
	}
	h.StartTLS()
	t.Cleanup(h.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
	cert, key := clientCertificate(t)
	settings, err := json.Marshal(map[string]any{"webhookURL": h.URL, "tlsAuth": true, "tlsAuthWithCACert": true})
	if err != nil {
		t.Fatal(err)
	}
	made, err := NewDatasource(t.Context(), backend.DataSourceInstanceSettings{
		URL: "http://127.0.0.1:1", JSONData: settings,
		DecryptedSecureJSONData: map[string]string{"webhookToken": webhookToken, "tlsCACert": ca, "tlsClientCert": cert, "tlsClientKey": key},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := made.(*Datasource)
	if d.broken != nil {
		t.Fatal(d.broken)
	}
	if answer := askCases(t, d, `{"kind": "cases", "output": "table"}`); answer.Error != nil {
		t.Fatal(answer.Error)
	}
	if n := <-shown; n != 0 {
		t.Errorf("the webhook was shown %d certificates of the client, want none", n)
	}
	d.Dispose()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the connection to the webhook outlives the instance")
	}
}

// clientCertificate returns a certificate that nobody trusts, and its key, as PEM.
func clientCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
}

package collector

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// cri asks a runtime of Kubernetes (containerd, CRI-O) through its Container Runtime Interface, runtime.v1. That is gRPC; two calls without streams need
// no more of it than HTTP/2 without TLS and a frame of five bytes, which net/http has, and the few fields that matter are read by their numbers in
// k8s.io/cri-api's api.proto. So the exporter does without the libraries for both, which are larger than itself.
type cri struct{ client *http.Client }

func newCRI(socket string) *cri {
	var h2 http.Protocols
	h2.SetUnencryptedHTTP2(true)
	return &cri{client: &http.Client{Transport: &http.Transport{
		Protocols: &h2,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		IdleConnTimeout: time.Minute, DisableCompression: true,
	}}}
}

// errNoCRI says that a runtime answers and does not speak CRI: containerd on a host of Docker, whose configuration disables the plugin "cri".
var errNoCRI = errors.New("it does not implement runtime.v1")

func (c *cri) close() { c.client.CloseIdleConnections() }

// list returns the containers and the sandboxes of pods. A sandbox has its pod and no container name.
func (c *cri) list(ctx context.Context) ([]containerInfo, error) {
	b, err := c.call(ctx, "ListPodSandbox")
	if err != nil {
		return nil, err
	}
	pods, err := parseSandboxes(b)
	if err != nil {
		return nil, fmt.Errorf("list of pods: %w", err)
	}
	if b, err = c.call(ctx, "ListContainers"); err != nil {
		return nil, err
	}
	containers, err := parseContainers(b)
	if err != nil {
		return nil, fmt.Errorf("list of containers: %w", err)
	}
	byID := map[string]containerInfo{}
	for _, p := range pods {
		byID[p.id] = p
	}
	for i := range containers {
		p := byID[containers[i].sandbox]
		containers[i].pod, containers[i].namespace, containers[i].podUID = p.pod, p.namespace, p.podUID
	}
	out := append(pods, containers...)
	return out[:min(len(out), maxRuntimeContainers)], nil
}

// call makes one call with an empty request, which asks for everything.
func (c *cri) call(ctx context.Context, method string) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("CRI %s: %w", method, err) }
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/runtime.v1.RuntimeService/"+method, bytes.NewReader(make([]byte, 5)))
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	resp, err := c.client.Do(req)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		return fail(errors.New(resp.Status))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fail(err)
	}
	status, message := resp.Trailer.Get("Grpc-Status"), resp.Trailer.Get("Grpc-Message")
	if status == "" { // an answer without a body has its end in the header
		status, message = resp.Header.Get("Grpc-Status"), resp.Header.Get("Grpc-Message")
	}
	switch {
	case status == "12": // UNIMPLEMENTED
		return fail(errNoCRI)
	case status != "0":
		return fail(fmt.Errorf("gRPC status %q: %s", status, shorten([]byte(message))))
	case len(body) > maxAnswer:
		return fail(fmt.Errorf("an answer of more than %d bytes", maxAnswer))
	case len(body) < 5 || body[0] != 0 || int(binary.BigEndian.Uint32(body[1:5])) != len(body)-5:
		return fail(errors.New("the answer is not one plain message"))
	}
	return body[5:], nil
}

// parseSandboxes reads a ListPodSandboxResponse: items = 1, each PodSandbox{id 1, metadata 2{name 1, uid 2, namespace 3, attempt 4}, state 3, created_at 4}.
func parseSandboxes(b []byte) ([]containerInfo, error) {
	var out []containerInfo
	err := eachField(b, func(n protowire.Number, v []byte, _ uint64) error {
		if n != 1 || v == nil {
			return nil
		}
		i := containerInfo{restarts: -1}
		err := eachField(v, func(n protowire.Number, v []byte, x uint64) error {
			switch n {
			case 1:
				i.id = string(v)
			case 2:
				return eachField(v, func(n protowire.Number, v []byte, _ uint64) error {
					switch n {
					case 1:
						i.pod = string(v)
					case 2:
						i.podUID = string(v)
					case 3:
						i.namespace = string(v)
					}
					return nil
				})
			case 4:
				i.created = time.Unix(0, int64(x))
			}
			return nil
		})
		out = append(out, i)
		return err
	})
	return out, err
}

// parseContainers reads a ListContainersResponse: containers = 1, each Container{id 1, pod_sandbox_id 2, metadata 3{name 1, attempt 2},
// image 4{image 1, user_specified_image 18}, state 6 (1: running), created_at 7}.
func parseContainers(b []byte) ([]containerInfo, error) {
	var out []containerInfo
	err := eachField(b, func(n protowire.Number, v []byte, _ uint64) error {
		if n != 1 || v == nil {
			return nil
		}
		i := containerInfo{hasState: true}
		err := eachField(v, func(n protowire.Number, v []byte, x uint64) error {
			switch n {
			case 1:
				i.id = string(v)
			case 2:
				i.sandbox = string(v)
			case 3:
				return eachField(v, func(n protowire.Number, v []byte, x uint64) error {
					switch n {
					case 1:
						i.container = string(v)
					case 2:
						i.restarts = int(min(x, 1<<31))
					}
					return nil
				})
			case 4:
				return eachField(v, func(n protowire.Number, v []byte, _ uint64) error {
					if n == 18 && len(v) > 0 || n == 1 && i.image == "" {
						i.image = string(v)
					}
					return nil
				})
			case 6:
				i.running = x == 1
			case 7:
				i.created = time.Unix(0, int64(x))
			}
			return nil
		})
		out = append(out, i)
		return err
	})
	return out, err
}

// eachField calls each for the fields of a message: with the bytes of a string or message, else with a number.
func eachField(b []byte, each func(n protowire.Number, v []byte, x uint64) error) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		var v []byte
		var x uint64
		switch kind {
		case protowire.BytesType:
			if v, size = protowire.ConsumeBytes(b); size >= 0 && v == nil {
				v = []byte{}
			}
		case protowire.VarintType:
			x, size = protowire.ConsumeVarint(b)
		default:
			size = protowire.ConsumeFieldValue(n, kind, b)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		if err := each(n, v, x); err != nil {
			return err
		}
	}
	return nil
}

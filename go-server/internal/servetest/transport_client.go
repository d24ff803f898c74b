package servetest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The clients of the tests of transports.

// How a client speaks, and how the server is told to.
const (
	overHTTPS1 = "HTTP/1.1 over TLS"
	overH2     = "HTTP/2 over TLS"
	overH2C    = "HTTP/2 with prior knowledge"
)

var transports = []string{overHTTPS1, overH2, overH2C}

const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// An identity is a certificate with its key, in files for the server, and a client's trust in it.
type identity struct {
	cert, key string
	roots     *x509.CertPool
}

func newIdentity(t *testing.T) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	id := identity{roots: x509.NewCertPool()}
	id.cert = writePEM(t, "CERTIFICATE", cert)
	id.key = writePEM(t, "PRIVATE KEY", private)
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	id.roots.AddCert(parsed)
	return id
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (id identity) start(t *testing.T, over string, more ...string) *Process {
	t.Helper()
	args := []string{"--tls-cert", id.cert, "--tls-key", id.key}
	if over == overH2C {
		args = []string{"--h2c"}
	}
	return Start(t, append(args, more...)...)
}

// client speaks to one server over connections of its own.
func (id identity) client(t *testing.T, over string) *http.Client {
	t.Helper()
	transport := &http.Transport{
		Protocols:       new(http.Protocols),
		TLSClientConfig: &tls.Config{RootCAs: id.roots},
	}
	switch over {
	case overHTTPS1:
		transport.Protocols.SetHTTP1(true)
	case overH2:
		transport.Protocols.SetHTTP2(true)
	case overH2C:
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: exchangeTime}
}

func address(p *Process, over string) string {
	if over == overH2C {
		return "http://" + p.Addr
	}
	return "https://" + p.Addr
}

// exchange sends a request, its line without a version, and reads the response.
func exchange(t *testing.T, client *http.Client, base, line string, body io.Reader,
	header http.Header,
) received {
	t.Helper()
	method, path, _ := strings.Cut(line, " ")
	request, err := http.NewRequest(method, base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(request.Header, header)
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return received{response.StatusCode, response.Header, response.Close, string(text)}
}

// A begun request has a handler that waits for its body.
type begun struct {
	body     io.WriteCloser
	answered <-chan received
}

func begin(t *testing.T, id identity, p *Process, over string) begun {
	t.Helper()
	body, writer := io.Pipe()
	request, err := http.NewRequest("POST", address(p, over)+"/sum?a=1&b=2", body)
	if err != nil {
		t.Fatal(err)
	}
	// The handler has begun when it asks for the body, and then the client reads it.
	request.Header.Set("Expect", "100-continue")
	asked := make(chan struct{})
	request.Body = &watched{Reader: body, Closer: body, asked: asked}
	client := id.client(t, over)
	client.Transport.(*http.Transport).ExpectContinueTimeout = exchangeTime
	answered := make(chan received, 1)
	go func() {
		response, err := client.Do(request)
		if err != nil {
			answered <- received{body: err.Error()}
			return
		}
		defer response.Body.Close()
		var text bytes.Buffer
		_, err = text.ReadFrom(response.Body)
		if err != nil {
			text.WriteString(err.Error())
		}
		answered <- received{status: response.StatusCode, body: text.String()}
	}()
	select {
	case <-asked:
	case <-time.After(exchangeTime):
		t.Fatalf("%s: the server does not ask for the body", over)
	}
	return begun{writer, answered}
}

// A watched body says when it is first read.
type watched struct {
	io.Reader
	io.Closer
	asked chan struct{}
	once  sync.Once
}

func (w *watched) Read(p []byte) (int, error) {
	w.once.Do(func() { close(w.asked) })
	return w.Reader.Read(p)
}

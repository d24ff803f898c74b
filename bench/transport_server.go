// Answers every request with the same few bytes: HTTP/1.1 and HTTP/2, in the clear or over TLS. It
// is what the load generators are compared on where neither the servers under test nor the null
// responder speak the transport; Go's standard library does, with nothing to install. Its
// certificate is made anew and signed by itself.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

func main() {
	secure := flag.Bool("tls", false, "speak TLS 1.3")
	flag.Parse()
	if err := serve(*secure); err != nil {
		log.Fatal(err)
	}
}

func serve(secure bool) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:   http.HandlerFunc(hello),
		Protocols: new(http.Protocols),
		// Connections end in the middle of anything when a run is over.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	if secure {
		certificate, err := selfSigned()
		if err != nil {
			return err
		}
		server.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{certificate},
			MinVersion:   tls.VersionTLS13,
		}
	}
	fmt.Printf("listening %s\n", listener.Addr())
	if secure {
		return server.ServeTLS(listener, "", "")
	}
	return server.Serve(listener)
}

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	// Whoever asked may be gone.
	_, _ = w.Write([]byte("Hello, World!"))
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

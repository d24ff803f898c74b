package serve

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
)

// What both servers of the idiomatic lane set for HTTP/2, in place of each library's own choice
// (rust-server/src/transport.rs has the same numbers). The windows are those that both libraries
// have by default. How far a server may send is the client's to say, in both.
const (
	http2StreamsMax       = 256 // at once on a connection; by default 250 here and 200 in hyper
	http2StreamWindow     = 1 << 20
	http2ConnectionWindow = 1 << 20
	http2FrameMax         = 16 << 10 // that it reads; by default 1 MiB here and 16 KiB in hyper
)

// A transport is what the connections speak (CONTRACT.md, section 6). The zero value is HTTP/1.1 in
// the clear, for which nothing is set and nothing done.
type transport struct {
	cert, key string // files, both or neither
	h2c       bool
}

func (tr *transport) define(flags *flag.FlagSet) {
	file := func(name string, value *string) {
		flags.Func(name, "", func(s string) error {
			if s == "" {
				return errors.New("must be a file")
			}
			*value = s
			return nil
		})
	}
	file("tls-cert", &tr.cert)
	file("tls-key", &tr.key)
	flags.BoolVar(&tr.h2c, "h2c", false, "")
}

func (tr *transport) check() error {
	switch {
	case tr.cert != "" && tr.key == "":
		return errors.New("-tls-cert needs -tls-key")
	case tr.cert == "" && tr.key != "":
		return errors.New("-tls-key needs -tls-cert")
	case tr.cert != "" && tr.h2c:
		return errors.New("-h2c does not go with -tls-cert and -tls-key")
	}
	return nil
}

// prepare makes the server speak the transport and returns the method that serves it.
func (tr *transport) prepare(s Server) (func(net.Listener) error, error) {
	if !tr.h2c && tr.cert == "" {
		return s.Serve, nil
	}
	server := s.(*http.Server) // where Transports is set, which defines the flags
	server.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams:          http2StreamsMax,
		MaxReadFrameSize:              http2FrameMax,
		MaxReceiveBufferPerConnection: http2ConnectionWindow,
		MaxReceiveBufferPerStream:     http2StreamWindow,
	}
	server.Protocols = new(http.Protocols)
	if tr.h2c {
		server.Protocols.SetUnencryptedHTTP2(true)
		return server.Serve, nil
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	certificate, err := tls.LoadX509KeyPair(tr.cert, tr.key)
	if err != nil {
		return nil, fmt.Errorf("failed to load certificate and key: %w", err)
	}
	server.TLSConfig = newTLSConfig(certificate)
	serve := func(listener net.Listener) error { return server.ServeTLS(listener, "", "") }
	return serve, nil
}

// newTLSConfig has both servers of the lane do the same work for a connection
// (rust-server/src/tls.rs):
//
//   - TLS 1.3 alone, in which Go's preference is TLS_AES_128_GCM_SHA256, whatever the order of a
//     client that puts any AES-GCM first. This cannot be set; the Rust server follows it.
//   - X25519 alone. By default Go would take X25519MLKEM768, which the Rust server's library does
//     not have.
//   - One stateless session ticket for each handshake that asks for it, which is Go's default. No
//     early data.
//
// What differs: Go sends the first 128 KiB of a connection in records of a packet's size, for a
// client to see them sooner, and its ticket before the client's Finished.
func newTLSConfig(certificate tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates:     []tls.Certificate{certificate},
		MinVersion:       tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
}

package servetest

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TLS and HTTP/2. rust-server/tests/servers/transports.rs tests the same of the Rust server.

func checkEveryTransport(t *testing.T) {
	id := newIdentity(t)
	for _, over := range transports {
		p := id.start(t, over)
		client, base := id.client(t, over), address(p, over)
		for _, test := range []struct {
			line, send        string
			status            int
			contentType, body string
			allow             string
		}{
			{"GET /", "", 200, htmlType, "<html><body>Hello world</body></html>\r\n", ""},
			{"GET /hello", "", 200, jsonType, greeting, ""},
			{"GET /hello", "a body nobody asked for", 200, jsonType, greeting, ""},
			{"GET /sum?a=1&b=2", "", 200, textType, "3", ""},
			{"POST /sum?a=1&b=2", "39", 200, textType, "42", ""},
			{"POST /orders", order, 200, jsonType, orderSummary, ""},
			{"GET /items/1?m=1", "", 200, jsonType, firstItem, ""},
			{"GET /cpu?n=100", "", 200, textType, "1.274219991", ""},
			{"GET /sum?a=1", "", 400, jsonType, badRequest, ""},
			{"POST /orders", "[", 400, jsonType, badRequest, ""},
			{"GET /nothing", "", 404, jsonType, missing, ""},
			{"PUT /hello", "body", 405, jsonType, disallowed, "GET, HEAD"},
			{"HEAD /hello", "", 200, jsonType, "", ""},
		} {
			got := exchange(t, client, base, test.line, strings.NewReader(test.send), nil)
			if got.status != test.status || got.body != test.body {
				t.Errorf("%s: %s\n got %d %q\nwant %d %q",
					over, test.line, got.status, got.body, test.status, test.body)
			}
			checkHeader(t, got, test.contentType, test.allow, false)
		}
		items := exchange(t, client, base, "GET /items/1000?m=1000000", nil, nil)
		if !strings.HasSuffix(items.body, `"total":8201000000}],"count":1000}`) {
			t.Errorf("%s: got items of %d bytes", over, len(items.body))
		}
		head := exchange(t, client, base, "HEAD /hello", nil, nil)
		if got := head.header.Get("Content-Length"); got != "25" {
			t.Errorf("%s: got HEAD with Content-Length %q; want 25", over, got)
		}
	}
}

// HTTP/1.1 ends with the connection, HTTP/2 with the stream.
func checkLargeRequestsOfEveryTransport(t *testing.T) {
	id := newIdentity(t)
	largest := order + strings.Repeat(" ", bodyMax-len(order))
	fields := http.Header{}
	for i := range 63 {
		fields.Set("X-"+strconv.Itoa(i), strings.Repeat("x", 121))
	}
	for _, over := range transports {
		p := id.start(t, over)
		client, base := id.client(t, over), address(p, over)
		got := exchange(t, client, base, "POST /orders", strings.NewReader(largest), nil)
		if got.body != orderSummary {
			t.Errorf("%s: got %d %q; want %q", over, got.status, got.body, orderSummary)
		}
		if got := exchange(t, client, base, "GET /hello", nil, fields); got.status != 200 {
			t.Errorf("%s: got %d for a head of 8 KiB; want 200", over, got.status)
		}
		for _, line := range []string{"POST /orders", "GET /hello"} {
			got := exchange(t, client, base, line, strings.NewReader(largest+" "), nil)
			if got.status != http.StatusRequestEntityTooLarge || got.body != tooLarge {
				t.Errorf("%s: %s: got %d %q; want 413", over, line, got.status, got.body)
			}
			checkHeader(t, got, jsonType, "", over == overHTTPS1)
		}
		if got := exchange(t, client, base, "GET /hello", nil, nil); got.body != greeting {
			t.Errorf("%s: got %d %q afterwards; want %q", over, got.status, got.body, greeting)
		}
	}
}

func checkManyStreamsAtOnce(t *testing.T) {
	id := newIdentity(t)
	for _, over := range []string{overH2, overH2C} {
		p := id.start(t, over)
		client, base := id.client(t, over), address(p, over)
		var clients sync.WaitGroup
		for i := range 600 {
			clients.Go(func() {
				response, err := client.Get(fmt.Sprintf("%s/sum?a=%d&b=0", base, i))
				if err != nil {
					t.Errorf("%s: %v", over, err)
					return
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if got, want := string(body), strconv.Itoa(i); err != nil || got != want {
					t.Errorf("%s: got %q, %v; want %q", over, got, err, want)
				}
			})
		}
		clients.Wait()
	}
}

// What CONTRACT.md says of the two servers of the lane: one negotiates what the other does. The
// order of a Go client's suites is fixed.
func checkHandshake(t *testing.T) {
	id := newIdentity(t)
	p := id.start(t, overH2)
	for _, test := range []struct {
		curves    []tls.CurveID
		protocols []string
		want      string
	}{
		{nil, []string{"h2", "http/1.1"}, "h2"}, // X25519MLKEM768 first, by default
		{nil, []string{"http/1.1", "h2"}, "h2"},
		{nil, []string{"http/1.1"}, "http/1.1"},
		{nil, nil, ""},
		{[]tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}, []string{"h2"}, "h2"},
	} {
		config := &tls.Config{
			RootCAs:          id.roots,
			CurvePreferences: test.curves,
			NextProtos:       test.protocols,
		}
		conn, err := tls.Dial("tcp", p.Addr, config)
		if err != nil {
			t.Fatal(err)
		}
		state := conn.ConnectionState()
		if state.CipherSuite != tls.TLS_AES_128_GCM_SHA256 || state.CurveID != tls.X25519 {
			t.Errorf("%v: got %s, %v", test, tls.CipherSuiteName(state.CipherSuite), state.CurveID)
		}
		if got := state.NegotiatedProtocol; got != test.want {
			t.Errorf("%v: got protocol %q; want %q", test.protocols, got, test.want)
		}
		conn.Close()
	}
}

func checkHandshakesThatFail(t *testing.T) {
	id := newIdentity(t)
	p := id.start(t, overH2)
	for name, config := range map[string]*tls.Config{
		"TLS 1.2":          {MaxVersion: tls.VersionTLS12},
		"P-256":            {CurvePreferences: []tls.CurveID{tls.CurveP256}},
		"another protocol": {NextProtos: []string{"h3"}},
	} {
		config.RootCAs = id.roots
		_, err := tls.Dial("tcp", p.Addr, config)
		if alert, ok := errors.AsType[*net.OpError](err); !ok || alert.Op != "remote error" {
			t.Errorf("%s: got %v; want an alert", name, err)
		}
	}
	// What comes is a response of 400 that says so, if anything.
	got := everythingAfter(t, p, request("GET /hello", ""))
	if strings.Contains(got, greeting) {
		t.Errorf("in the clear: got %q", got)
	}
	client, base := id.client(t, overH2), address(p, overH2)
	if got := exchange(t, client, base, "GET /hello", nil, nil); got.body != greeting {
		t.Errorf("got %d %q afterwards; want %q", got.status, got.body, greeting)
	}
}

// everythingAfter sends bytes on a connection of its own and returns all that comes until its end.
func everythingAfter(t *testing.T, p *Process, sent string) string {
	t.Helper()
	conn := dial(t, p.Addr)
	send(t, conn, sent)
	got, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%.20q: the connection stays open", sent)
	}
	return string(got)
}

// A client that is silent, stops in the middle of a handshake or a preface, or sends no request: the
// server ends the connection.
func checkClientsThatTakeTooLong(t *testing.T) {
	id := newIdentity(t)
	for _, over := range transports {
		t.Run(over, func(t *testing.T) {
			p := id.start(t, over, "--timeout-ms", "200")
			half := "\x16\x03\x01\x01"
			if over == overH2C {
				half = "PRI * HT"
			}
			for _, sent := range []string{"", half} {
				everythingAfter(t, p, sent)
			}
			if over == overH2C {
				everythingAfter(t, p, http2Preface)
				return
			}
			protocol := map[string]string{overHTTPS1: "http/1.1", overH2: "h2"}[over]
			conn := tls.Client(dial(t, p.Addr), &tls.Config{
				RootCAs: id.roots, ServerName: "127.0.0.1", NextProtos: []string{protocol},
			})
			if over == overH2 {
				send(t, conn, http2Preface)
			} else if err := conn.Handshake(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still open")
			}
		})
	}
}

// A client that comes back with its ticket saves the certificate.
func checkResumption(t *testing.T) {
	id := newIdentity(t)
	p := id.start(t, overHTTPS1)
	config := &tls.Config{RootCAs: id.roots, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for _, want := range []bool{false, true, true} {
		conn, err := tls.Dial("tcp", p.Addr, config)
		if err != nil {
			t.Fatal(err)
		}
		send(t, conn, request("GET /hello", "", "Connection: close"))
		if _, err := io.ReadAll(conn); err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().DidResume; got != want {
			t.Errorf("got a resumed session: %t; want %t", got, want)
		}
		conn.Close()
	}
}

// The first frames of a server, byte by byte: the Rust server's test has the same numbers.
func checkSettingsOfHTTP2(t *testing.T) {
	p := Start(t, "--h2c")
	conn := dial(t, p.Addr)
	send(t, conn, http2Preface)
	settings := map[uint16]uint32{}
	window := uint32(65_535)
	for len(settings) == 0 || window == 65_535 {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			t.Fatal(err)
		}
		payload := make([]byte, binary.BigEndian.Uint16(head[1:]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			t.Fatal(err)
		}
		switch head[3] {
		case 4:
			for ; len(payload) > 0; payload = payload[6:] {
				id := binary.BigEndian.Uint16(payload)
				settings[id] = binary.BigEndian.Uint32(payload[2:])
			}
		case 8:
			window += binary.BigEndian.Uint32(payload)
		}
	}
	delete(settings, 9) // Go 1.27 also says that it ignores the priorities of HTTP/2's first edition
	// The table of header compression is said, and is what it is anyway; streams at once, a stream's
	// window, the largest frame, the largest head.
	want := map[uint16]uint32{1: 4096, 3: 256, 4: 1 << 20, 5: 1 << 14, 6: 64<<10 + 320}
	if !maps.Equal(settings, want) || window != 1<<20 {
		t.Errorf("got settings %v and a window of %d; want %v and %d", settings, window, want, 1<<20)
	}
}

// Without -h2c there is no HTTP/2 in the clear, with it nothing else.
func checkOneProtocolInTheClear(t *testing.T) {
	// net/http responds to the method PRI as it does any other.
	got := everythingAfter(t, Start(t), http2Preface)
	if !strings.HasPrefix(got, "HTTP/1.1 ") {
		t.Errorf("without -h2c: got %q", got)
	}
	hello := request("GET /hello", "")
	if got = everythingAfter(t, Start(t, "-h2c"), hello); got != "" {
		t.Errorf("with -h2c: got %q; want nothing", got)
	}
}

func checkCommandLinesOfTransports(t *testing.T) {
	id, other := newIdentity(t), newIdentity(t)
	nowhere := filepath.Join(t.TempDir(), "missing.pem")
	for _, test := range []struct {
		code int
		says string
		args []string
	}{
		{2, "-tls-key", []string{"-tls-cert", id.cert}},
		{2, "-tls-cert", []string{"-tls-key", id.key}},
		{2, "-tls-key", []string{"-tls-cert", id.cert, "-tls-key"}},
		{2, "usage", []string{"-tls-cert", id.cert, "-tls-key", ""}},
		{2, "-h2c", []string{"--h2c", "--tls-cert", id.cert, "--tls-key", id.key}},
		{1, nowhere, []string{"-tls-cert", nowhere, "-tls-key", id.key}},
		{1, nowhere, []string{"-tls-cert", id.cert, "-tls-key", nowhere}},
		{1, "certificate", []string{"-tls-cert", id.key, "-tls-key", id.key}},
		{1, "key", []string{"-tls-cert", id.cert, "-tls-key", id.cert}},
		{1, "key", []string{"-tls-cert", id.cert, "-tls-key", other.key}},
	} {
		args := append([]string{"-addr", "127.0.0.1:0"}, test.args...)
		if line := CheckRefused(t, test.code, args...); !strings.Contains(line, test.says) {
			t.Errorf("%q: got %q; want %q in it", test.args, line, test.says)
		}
	}
}

// As over plain HTTP/1.1: a request that has begun gets its response, idle connections are closed and new
// ones refused.
func checkTerminateFinishesRequestOfEveryTransport(t *testing.T) {
	id := newIdentity(t)
	for _, over := range transports {
		p := id.start(t, over)
		idle := id.client(t, over)
		exchange(t, idle, address(p, over), "GET /hello", nil, nil)
		busy := begin(t, id, p, over)
		p.Terminate()
		for {
			conn, err := net.Dial("tcp", p.Addr)
			if err != nil {
				break // the process is bounded in time, so this loop is too
			}
			conn.Close()
		}
		if _, err := io.WriteString(busy.body, "39"); err != nil {
			t.Fatal(err)
		}
		busy.body.Close()
		if got := <-busy.answered; got.status != http.StatusOK || got.body != "42" {
			t.Errorf("%s: got %+v; want 200 and 42", over, got)
		}
		if code, stdout, stderr := p.Wait(); code != 0 || stdout != "" || stderr != "" {
			t.Errorf("%s: got %d, %q, %q; want 0 and no output", over, code, stdout, stderr)
		}
	}
}

// Clients that say nothing, stop in the middle of a handshake or a request, or only keep a
// connection.
func checkTerminateWithClientsThatNeverFinish(t *testing.T) {
	id := newIdentity(t)
	for _, over := range transports {
		p := id.start(t, over)
		dial(t, p.Addr)
		if half := dial(t, p.Addr); over == overH2C {
			send(t, half, "PRI * HT")
		} else {
			send(t, half, "\x16\x03\x01\x01")
		}
		exchange(t, id.client(t, over), address(p, over), "GET /hello", nil, nil)
		busy := begin(t, id, p, over)
		p.Terminate()
		if code, stdout, stderr := p.Wait(); code != 0 || stdout != "" || stderr != "" {
			t.Errorf("%s: got %d, %q, %q; want 0 and no output", over, code, stdout, stderr)
		}
		busy.body.Close()
		<-busy.answered
	}
}

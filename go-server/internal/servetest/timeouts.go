package servetest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Clients that take too long, against a server with little patience.
// rust-server/tests/servers/timeouts.rs tests the same of the Rust servers.

func startImpatient(t *testing.T) *Process {
	t.Helper()
	return startQuiet(t, "--timeout-ms", "100")
}

func checkSilentConnection(t *testing.T) {
	addr := startImpatient(t).Addr
	checkEnded(t, dial(t, addr))

	kept := dial(t, addr)
	reader := bufio.NewReader(kept)
	send(t, kept, request("GET /hello", ""))
	if got := readResponse(t, reader, http.MethodGet); got.body != greeting {
		t.Fatalf("got %d %q; want %q", got.status, got.body, greeting)
	}
	checkEnded(t, kept)
}

func checkSlowRequest(t *testing.T) {
	addr := startImpatient(t).Addr
	for _, test := range []struct {
		name, part string
	}{
		{"first byte", "G"},
		{"head", "GET / HTTP/1.1\r\nHost: x\r\nX: "},
		{"body, sum", head("POST /sum?a=1&b=2", []string{"Content-Length: 1000000"}) + "1"},
		{"body, orders", head("POST /orders", []string{"Content-Length: 1000000"}) + "1"},
		{"body, ignored", head("GET /hello", []string{"Content-Length: 1000000"}) + "1"},
		{"body, chunked", head("POST /orders", []string{"Transfer-Encoding: chunked"}) +
			"f4240\r\n1"},
	} {
		t.Run(test.name+" stops", func(t *testing.T) {
			conn := dial(t, addr)
			send(t, conn, test.part)
			checkEnded(t, conn)
		})
		t.Run(test.name+" drips", func(t *testing.T) {
			conn := dial(t, addr)
			send(t, conn, test.part)
			var dripping sync.WaitGroup
			dripping.Go(func() { drip(conn) })
			checkEnded(t, conn)
			conn.Close()
			dripping.Wait()
		})
	}
}

// A client that only sends: the server blocks in writing, then gives up.
func checkClientThatDoesNotRead(t *testing.T) {
	conn := dial(t, startImpatient(t).Addr)
	requests := []byte(strings.Repeat(request("GET /items/1000?m=1", ""), 1000))
	var err error
	for err == nil { // the connection's deadline bounds it
		_, err = conn.Write(requests)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
}

// checkEnded checks that the server ends the connection, without a word, with a 408, or with the
// 400 that net/http has for half a request line.
func checkEnded(t *testing.T, conn net.Conn) {
	t.Helper()
	// What was sent after the end may have reset it: any error but the deadline's will do.
	received, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection is still open")
	}
	if len(received) > 0 && !regexp.MustCompile(`^HTTP/1\.1 40[08] `).Match(received) {
		t.Errorf("got %q; want nothing or a refusal", received)
	}
}

// drip sends a byte now and then for as long as the server takes it.
func drip(conn net.Conn) {
	for {
		if _, err := io.WriteString(conn, "1"); err != nil {
			return
		}
		time.Sleep(time.Millisecond) // the drip itself
	}
}

package servetest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func checkPipelining(t *testing.T) {
	conn := dial(t, startQuiet(t).Addr)
	send(t, conn, request("GET /sum?a=1&b=0", "")+chunked("POST /sum?a=1&b=0", "1", 1)+
		request("GET /nothing", "body")+request("POST /hello", "body")+
		request("POST /sum?a=x", "body")+
		request("GET /sum?a=1&b=2", "", "Connection: close"))
	reader := bufio.NewReader(conn)
	for _, want := range []string{"1", "2", missing, disallowed, badRequest} {
		if got := readResponse(t, reader, http.MethodGet); got.body != want {
			t.Fatalf("got %d %q; want %q", got.status, got.body, want)
		}
	}
	last := readResponse(t, reader, http.MethodGet)
	if last.body != "3" {
		t.Errorf("got %d %q; want 3", last.status, last.body)
	}
	checkHeader(t, last, textType, "", true)
	checkConnection(t, conn, reader, true)
}

func checkExpectContinue(t *testing.T) {
	addr := startQuiet(t).Addr
	for _, test := range []struct {
		line string
		body string
	}{
		{"POST /sum?a=1&b=2", "6"},
		{"GET /hello", greeting},
		{"POST /nothing", missing},
		{"PUT /sum", disallowed},
	} {
		t.Run(test.line, func(t *testing.T) {
			conn := dial(t, addr)
			reader := bufio.NewReader(conn)
			fields := []string{"Content-Length: 1", "Expect: 100-continue"}
			send(t, conn, head(test.line, fields))
			got := readResponse(t, reader, http.MethodPost)
			if got.status != http.StatusContinue || len(got.header) != 0 {
				t.Fatalf("got %+v; want 100 Continue", got)
			}
			send(t, conn, "3")
			got = readResponse(t, reader, http.MethodPost)
			if got.body != test.body || got.closes {
				t.Errorf("got %+v; want %q and an open connection", got, test.body)
			}
		})
	}
}

func checkLargeHead(t *testing.T) {
	addr := startQuiet(t).Addr
	for _, test := range []struct {
		name           string
		fields, length int // length: of each field's value
		status         int
	}{
		{"8 KiB in 64 fields", 62, 110, http.StatusOK},
		{"8 KiB in 1 field", 1, 8000, http.StatusOK},
		{"72 KiB", 9, 8 << 10, http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := dial(t, addr)
			fields := make([]string, test.fields)
			for i := range fields {
				fields[i] = "X: " + strings.Repeat("x", test.length)
			}
			send(t, conn, request("GET /hello", "", fields...))
			got := readResponse(t, bufio.NewReader(conn), http.MethodGet)
			if got.status != test.status {
				t.Errorf("got %d; want %d", got.status, test.status)
			}
		})
	}
}

// Clients that send nonsense, go away early or do not read: the server goes on, and keeps nothing.
func checkMisbehavingClients(t *testing.T) {
	idle := startQuiet(t).goroutines()
	p := startQuiet(t)
	for _, sent := range []string{
		"",
		"\x00\xff\r\n\r\n",
		"GET",
		"GET /hello HTTP/1.1\r\n",
		"GET /% HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /hello HTTP/9.9\r\nHost: x\r\n\r\n",
		"GET /hello HTTP/1.1\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
		head("POST /orders", []string{"Content-Length: -1"}),
		head("POST /orders", []string{"Content-Length: 99999999999999999999"}),
		head("POST /orders", []string{"Content-Length: 5", "Content-Length: 6"}),
		head("POST /orders", []string{"Content-Length: 1000"}) + "[",
		head("POST /orders", []string{"Transfer-Encoding: chunked"}) + "ffffffffffffffffff\r\n",
		head("POST /orders", []string{"Transfer-Encoding: chunked"}) + "x\r\n",
		head("POST /orders", []string{"Transfer-Encoding: gzip"}),
		head("POST /orders", []string{"Content-Length: 5", "Expect: 100-continue"}),
		request("POST /orders", strings.Repeat("[", 100_000)),
		request("POST /orders", strings.Repeat(`[{"lines":`, 100_000)),
		strings.Repeat(request("GET /items/1000?m=1", ""), 50),
	} {
		for range 4 {
			misbehave(t, p, sent)
		}
	}
	// A framework may keep a goroutine for each connection that was open at once. Each kind of
	// client came sixteen times.
	if got := p.goroutines(); got >= idle+16 {
		t.Errorf("got %d goroutines; %d before the first connection", got, idle)
	}
}

// misbehave lets four clients send and hang up, then one send a request that is right, and waits
// until the server has let go of all.
func misbehave(t *testing.T, p *Process, sent string) {
	t.Helper()
	for range 4 {
		conn, err := net.Dial("tcp", p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		// The server may have hung up by now, which is its right.
		conn.Write([]byte(sent))
		conn.Close()
	}
	conn := dial(t, p.Addr)
	send(t, conn, request("GET /hello", ""))
	if got := readResponse(t, bufio.NewReader(conn), http.MethodGet); got.body != greeting {
		t.Errorf("after %.60q: got %d %q; want %q", sent, got.status, got.body, greeting)
	}
	conn.Close()
	deadline := time.Now().Add(exchangeTime)
	for p.sockets() > 1 { // the one that listens
		if time.Now().After(deadline) {
			t.Fatalf("after %.60q: %d sockets are open; want 1", sent, p.sockets())
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

// The 100 Continue shows that the handler has begun, and a refused connection that the end has: so
// nothing here depends on time.
func checkTerminateFinishesRequest(t *testing.T) {
	p := Start(t)
	idle := dial(t, p.Addr)
	send(t, idle, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
	readResponse(t, bufio.NewReader(idle), http.MethodGet)

	busy := dial(t, p.Addr)
	send(t, busy, "POST /sum?a=1&b=2 HTTP/1.1\r\nHost: x\r\n"+
		"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n")
	reader := bufio.NewReader(busy)
	if got := readResponse(t, reader, http.MethodPost).status; got != http.StatusContinue {
		t.Fatalf("got status %d; want 100", got)
	}
	p.Terminate()
	for {
		conn, err := net.Dial("tcp", p.Addr)
		if err != nil {
			break // the process is bounded in time, so this loop is too
		}
		conn.Close()
	}
	send(t, busy, "3")
	got := readResponse(t, reader, http.MethodPost)
	if got.status != http.StatusOK || got.body != "6" || !got.closes {
		t.Errorf("got %+v; want 200, 6 and Connection: close", got)
	}
	if _, err := reader.ReadByte(); err != io.EOF {
		t.Errorf("got %v after the response; want %v", err, io.EOF)
	}
	if code, stdout, stderr := p.Wait(); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("got %d, %q, %q; want 0 and no output", code, stdout, stderr)
	}
}

// Clients that say nothing, or stop in the middle of a head or of a body, do not hold up the end.
func checkTerminateWithUnfinishedClients(t *testing.T) {
	p := Start(t)
	dial(t, p.Addr)
	send(t, dial(t, p.Addr), "GET / HTTP/1.1\r\n")
	busy := dial(t, p.Addr)
	send(t, busy, head("POST /orders", []string{"Content-Length: 5", "Expect: 100-continue"}))
	got := readResponse(t, bufio.NewReader(busy), http.MethodPost)
	if got.status != http.StatusContinue {
		t.Errorf("got status %d; want 100", got.status)
	}
	p.Terminate()
	if code, stdout, stderr := p.Wait(); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("got %d, %q, %q; want 0 and no output", code, stdout, stderr)
	}
}

package main

import (
	"bufio"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestPipelining(t *testing.T) {
	conn := dial(t, startServer(t).Listener.Addr().String())
	send(t, conn, request("GET /sum?a=1&b=0", "")+chunked("POST /sum?a=1&b=0", "1", 1)+
		request("GET /nothing", "body")+request("POST /hello", "body")+
		request("POST /sum?a=x", "body")+
		request("GET /sum?a=1&b=2", "", "Connection: close"))
	reader := bufio.NewReader(conn)
	for _, want := range []string{"1", "2", missing, disallowed, badRequest} {
		if got := readAnswer(t, reader, http.MethodGet); got.body != want {
			t.Fatalf("got %d %q; want %q", got.status, got.body, want)
		}
	}
	last := readAnswer(t, reader, http.MethodGet)
	if last.body != "3" {
		t.Errorf("got %d %q; want 3", last.status, last.body)
	}
	checkHeader(t, last, textType, "", true)
	checkConnection(t, conn, reader, true)
}

func TestExpectContinue(t *testing.T) {
	addr := startServer(t).Listener.Addr().String()
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
			got := readAnswer(t, reader, http.MethodPost)
			if got.status != http.StatusContinue || len(got.header) != 0 {
				t.Fatalf("got %+v; want 100 Continue", got)
			}
			send(t, conn, "3")
			got = readAnswer(t, reader, http.MethodPost)
			if got.body != test.body || got.closes {
				t.Errorf("got %+v; want %q and an open connection", got, test.body)
			}
		})
	}
}

func TestLargeHead(t *testing.T) {
	addr := startServer(t).Listener.Addr().String()
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
			got := readAnswer(t, bufio.NewReader(conn), http.MethodGet)
			if got.status != test.status {
				t.Errorf("got %d; want %d", got.status, test.status)
			}
		})
	}
}

// Clients that send nonsense, go away early or do not read: the server goes on, and keeps nothing.
func TestMisbehavingClients(t *testing.T) {
	before := runtime.NumGoroutine()
	server := startServer(t)
	addr := server.Listener.Addr().String()
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
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			// The server may have hung up by now, which is its right.
			conn.Write([]byte(sent))
			conn.Close()
		}
		conn := dial(t, addr)
		send(t, conn, request("GET /hello", ""))
		if got := readAnswer(t, bufio.NewReader(conn), http.MethodGet); got.body != greeting {
			t.Errorf("after %.60q: got %d %q; want %q", sent, got.status, got.body, greeting)
		}
		conn.Close()
	}
	server.Close()

	const few = 3
	deadline := time.Now().Add(exchangeTime)
	for runtime.NumGoroutine() > before+few {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines; want at most the %d of before and %d",
				runtime.NumGoroutine(), before, few)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

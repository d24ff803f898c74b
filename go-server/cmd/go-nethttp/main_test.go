package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"duet/go-server/internal/servetest"
)

func TestMain(m *testing.M) {
	servetest.Main(m, main)
}

func TestProgram(t *testing.T) {
	servetest.CheckProgram(t, "go-nethttp", "net/http")
}

// The 100 Continue shows that the handler has begun, and a refused connection that the end has: so
// nothing here depends on time.
func TestTerminateFinishesRequest(t *testing.T) {
	p := servetest.Start(t)
	idle := dial(t, p.Addr)
	send(t, idle, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
	readAnswer(t, bufio.NewReader(idle), http.MethodGet)

	busy := dial(t, p.Addr)
	send(t, busy, "POST /sum?a=1&b=2 HTTP/1.1\r\nHost: x\r\n"+
		"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n")
	reader := bufio.NewReader(busy)
	if got := readAnswer(t, reader, http.MethodPost).status; got != http.StatusContinue {
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
	got := readAnswer(t, reader, http.MethodPost)
	if got.status != http.StatusOK || got.body != "6" || !got.closes {
		t.Errorf("got %+v; want 200, 6 and Connection: close", got)
	}
	if _, err := reader.ReadByte(); err != io.EOF {
		t.Errorf("got %v after the answer; want %v", err, io.EOF)
	}
	if code, stdout, stderr := p.Wait(); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("got %d, %q, %q; want 0 and no output", code, stdout, stderr)
	}
}

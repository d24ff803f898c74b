package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"duet/go-server/internal/servetest"
)

func TestMain(m *testing.M) {
	servetest.Main(m, main)
}

func TestProgram(t *testing.T) {
	servetest.CheckProgram(t, "go-nethttp-backends", framework)
}

func TestContract(t *testing.T) {
	servetest.CheckContract(t)
}

func TestServices(t *testing.T) {
	servetest.CheckServices(t)
}

// Calls are made at once, on connections that are kept.
func TestFanOut(t *testing.T) {
	const calls, requests = 3, 4
	var accepted atomic.Int32
	var together sync.WaitGroup
	upstream := startUpstream(t, &accepted, func(w http.ResponseWriter, r *http.Request) {
		want := "/nonce?seed=7&i=" + r.FormValue("i") + "&ms=2"
		if got := r.URL.RequestURI(); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
		together.Done() // nobody gets a response before all are here
		together.Wait()
		io.WriteString(w, `{"nonce":2147483648}`)
	})
	p := servetest.Start(t, "-upstream", upstream)
	for range requests {
		together.Add(calls)
		response, err := http.Get("http://" + p.Addr + "/fanout?n=3&ms=2&seed=7")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		want := `{"n":3,"sum":6442450944,"max":2147483648}`
		if string(body) != want || err != nil {
			t.Errorf("got %s, %v; want %s", body, err, want)
		}
	}
	if got := accepted.Load(); got != calls {
		t.Errorf("%d requests of %d calls took %d connections", requests, calls, got)
	}
}

// An upstream service that is wrong or gone makes a 503, and the server goes on.
func TestFanOutWithoutResponses(t *testing.T) {
	var accepted atomic.Int32
	for _, respond := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{}`) },
		func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"nonce":-1}`) },
		func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"nonce":1}x`) },
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		p := servetest.Start(t, "-upstream", startUpstream(t, &accepted, respond))
		if got := servetest.Status(t, p, "GET /fanout?n=2&ms=1&seed=0"); got != http.StatusServiceUnavailable {
			t.Errorf("got %d; want 503", got)
		}
		if got := servetest.Status(t, p, "GET /hello"); got != http.StatusOK {
			t.Errorf("after that, got %d; want 200", got)
		}
	}
}

// startUpstream serves what respond does, counts its connections and returns its URL.
func startUpstream(t *testing.T, accepted *atomic.Int32, respond http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(respond)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// The body comes back before all of it is sent, with its length if that was given.
func TestEcho(t *testing.T) {
	p := servetest.Start(t)
	part := strings.Repeat("0123456789abcdef", 1<<15) // 512 KiB
	for _, length := range []int64{2 * int64(len(part)), -1} {
		read, write := io.Pipe()
		request, err := http.NewRequest("POST", "http://"+p.Addr+"/echo", read)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = length
		go io.WriteString(write, part)
		response, err := http.DefaultClient.Do(request) // returns with the head
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(response.Body, first); err != nil || first[0] != '0' {
			t.Fatalf("the first byte is %q, %v", first, err)
		}
		go func() {
			io.WriteString(write, part)
			write.Close()
		}()
		rest, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(first)+string(rest) != part+part {
			t.Errorf("%d bytes, %v", 1+len(rest), err)
		}
		if response.ContentLength != length {
			t.Errorf("the length is %d; want %d", response.ContentLength, length)
		}
	}
}

// A body that breaks off is no whole response.
func TestEchoBrokenOff(t *testing.T) {
	p := servetest.Start(t)
	conn, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	conn.(*net.TCPConn).CloseWrite()
	received, err := io.ReadAll(conn)
	if err != nil || strings.HasSuffix(string(received), "0\r\n\r\n") {
		t.Errorf("got %q, %v", received, err)
	}
}

// Bodies of any length are chunked, and made of the same characters.
func TestBytes(t *testing.T) {
	p := servetest.Start(t)
	var longest string
	for _, n := range []int{40_000, 16_384, 100, 1} {
		response, err := http.Get(fmt.Sprintf("http://%s/bytes?n=%d&seed=7", p.Addr, n))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || len(body) != n || response.ContentLength != -1 {
			t.Errorf("%d bytes of %d, length %d, %v", len(body), n, response.ContentLength, err)
		}
		longest = max(longest, string(body))
		if !strings.HasPrefix(longest, string(body)) {
			t.Errorf("%d bytes are not the beginning of more", n)
		}
	}
	if longest[:16] != "XTETIN7x5HzPqAqu" || longest[:16_384] != longest[16_384:32_768] {
		t.Errorf("they begin with %s", longest[:16])
	}
}

// Bodies are compressed where the client names gzip, at the level that the server was told.
func TestGzip(t *testing.T) {
	p := servetest.Start(t, "-gzip", "6")
	plain := servetest.Start(t)
	ask := func(p *servetest.Process, target, accepts string) (*http.Response, string) {
		request, err := http.NewRequest("GET", "http://"+p.Addr+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", accepts) // the client inflates nothing by itself then
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}
	const items, wrong = "/items/50?m=3", "/items/0?m=3"
	unasked, want := ask(plain, items, "gzip")
	if got := unasked.Header; got.Get("Vary") != "" || got.Get("Content-Encoding") != "" {
		t.Errorf("without -gzip: %v", got)
	}
	for _, accepts := range []string{"gzip", "br, GZIP;q=0.5", "gzip, deflate"} {
		response, body := ask(p, items, accepts)
		header := response.Header
		if header.Get("Content-Encoding") != "gzip" || header.Get("Vary") != "Accept-Encoding" ||
			response.ContentLength != -1 || len(body) > len(want)/4 {
			t.Errorf("%s: %v, %d bytes", accepts, header, len(body))
		}
		inflated, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(inflated); string(got) != want || err != nil {
			t.Errorf("%s: %s, %v", accepts, got, err)
		}
	}
	for _, accepts := range []string{"identity", "br", "gzip;q=0", "gzip; q=0.0, br"} {
		response, body := ask(p, items, accepts)
		header := response.Header
		if header.Get("Content-Encoding") != "" || header.Get("Vary") != "Accept-Encoding" ||
			body != want || response.ContentLength != int64(len(want)) {
			t.Errorf("%q: %v", accepts, header)
		}
	}
	if response, body := ask(p, wrong, "gzip"); body != `{"error":"bad request"}` {
		t.Errorf("a short body: %v, %q", response.Header, body)
	}
}

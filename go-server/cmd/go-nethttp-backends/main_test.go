package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"duet/go-server/internal/backends"
	"duet/go-server/internal/servetest"
)

func TestMain(m *testing.M) {
	servetest.Main(m, main)
}

func TestProgram(t *testing.T) {
	servetest.CheckProgram(t, "go-nethttp-backends", "net/http, pgx "+backends.PgxVersion())
}

func TestCommandLinesOfServices(t *testing.T) {
	for _, args := range [][]string{
		{"-database", "x://y"}, {"-database"}, {"-pool", "0"}, {"-pool", "1025"}, {"-pool", "x"},
		{"-upstream", "x"}, {"-upstream"},
	} {
		servetest.CheckRefused(t, 2, args...)
	}
}

// Without a database, and with one that is dead: what is right gets 503, what is wrong 400.
func TestWithoutDatabase(t *testing.T) {
	dead := "postgresql:///arm0?host=" + t.TempDir() + "&user=nobody"
	for _, args := range [][]string{nil, {"-database", dead}} {
		p := servetest.Start(t, args...)
		for _, test := range []struct {
			status int
			lines  []string
		}{
			{http.StatusServiceUnavailable, []string{
				"GET /world/7", "GET /worlds?n=20&seed=0", "GET /items-page?from=1&to=2&limit=3",
				"GET /fortunes", "GET /fanout?n=3&ms=1&seed=0", `POST /world/7 {"add":5}`, `POST /world/7 {"add":0,"x":null}`,
			}},
			{http.StatusBadRequest, []string{
				"GET /world/0", "GET /world/x", "GET /world/2147483648", "GET /worlds?n=0&seed=1",
				"GET /worlds?n=501&seed=1", "GET /worlds?n=1", "GET /worlds?n=1&seed=-1",
				"GET /items-page?from=1&to=2", "GET /items-page?from=1&to=2&limit=101",
				"POST /world/7 {}", `POST /world/7 {"add":-1}`, `POST /world/7 {"add":1000001}`,
				`POST /world/7 {"add":null}`, `POST /world/7 {"add":1.5}`, `POST /world/7 {"add":1`,
				"GET /delay", "GET /delay?ms=0", "GET /delay?ms=10001",
				"GET /fanout?n=0&ms=1&seed=0", "GET /fanout?n=101&ms=1&seed=0",
				"GET /fanout?n=1&ms=0&seed=0", "GET /fanout?n=1&ms=1001&seed=0",
				"GET /fanout?n=1&ms=1", "GET /fanout?n=1&ms=1&seed=-1",
			}},
			{http.StatusMethodNotAllowed, []string{"PUT /world/7", "POST /worlds", "POST /fanout"}},
			{http.StatusOK, []string{"GET /delay?ms=1", "GET /hello"}},
		} {
			for _, line := range test.lines {
				if got := status(t, p, line); got != test.status {
					t.Errorf("%q, %s: got %d; want %d", args, line, got, test.status)
				}
			}
		}
	}
}

// status sends a request, written as method, target and body, and returns the response's status.
func status(t *testing.T, p *servetest.Process, line string) int {
	t.Helper()
	parts := append(strings.SplitN(line, " ", 3), "")
	request, err := http.NewRequest(parts[0], "http://"+p.Addr+parts[1], strings.NewReader(parts[2]))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
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
		if got := status(t, p, "GET /fanout?n=2&ms=1&seed=0"); got != http.StatusServiceUnavailable {
			t.Errorf("got %d; want 503", got)
		}
		if got := status(t, p, "GET /hello"); got != http.StatusOK {
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

package servetest

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// CheckServices checks a program with the routes of CONTRACT.md, 4.4, where there are no services. With
// living ones the harness verifies it. rust-server/tests/servers/backends.rs tests the same of the Rust
// servers.
func CheckServices(t *testing.T) {
	t.Run("command lines", checkCommandLinesOfServices)
	t.Run("without a database", checkWithoutDatabase)
	t.Run("defaults", checkDefaults)
	t.Run("ticks", checkTicks)
	t.Run("WebSocket", checkWebSockets)
}

// With -defaults a client may take as long as it likes: its connection outlives one that is ended.
func checkDefaults(t *testing.T) {
	patient := dial(t, Start(t, "-defaults", "-timeout-ms", "100").Addr)
	checkEnded(t, dial(t, Start(t, "-timeout-ms", "100").Addr))
	send(t, patient, request("GET /hello", ""))
	if got := readResponse(t, bufio.NewReader(patient), http.MethodGet); got.body != greeting {
		t.Errorf("got %d %q; want %q", got.status, got.body, greeting)
	}
}

func checkCommandLinesOfServices(t *testing.T) {
	for _, args := range [][]string{
		{"-database", "x://y"}, {"-database"}, {"-pool", "0"}, {"-pool", "1025"}, {"-pool", "x"},
		{"-upstream", "x"}, {"-upstream"}, {"-gzip", "0"}, {"-gzip", "10"}, {"-gzip", "x"},
	} {
		CheckRefused(t, 2, args...)
	}
}

// Without a database, and with one that is dead: what is right gets 503, what is wrong 400.
func checkWithoutDatabase(t *testing.T) {
	dead := "postgresql:///arm0?host=" + t.TempDir() + "&user=nobody"
	for _, args := range [][]string{nil, {"-database", dead}} {
		p := Start(t, args...)
		for _, test := range []struct {
			status int
			lines  []string
		}{
			{http.StatusServiceUnavailable, []string{
				"GET /world/7", "GET /worlds?n=20&seed=0", "GET /items-page?from=1&to=2&limit=3",
				"GET /fortunes", "GET /fanout?n=3&ms=1&seed=0",
				`POST /world/7 {"add":5}`, `POST /world/7 {"add":0,"x":null}`,
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
				"GET /bytes?n=0&seed=0", "GET /bytes?n=67108865&seed=0", "GET /bytes?n=1",
				"GET /fanout?n=1&ms=1", "GET /fanout?n=1&ms=1&seed=-1",
				"GET /ticks", "GET /ticks?n=0&ms=1", "GET /ticks?n=1001&ms=1", "GET /ticks?n=1&ms=0",
				"GET /ticks?n=1&ms=1001", "GET /ticks?n=31&ms=1000",
			}},
			{http.StatusMethodNotAllowed, []string{
				"PUT /world/7", "POST /worlds", "POST /fanout", "GET /echo", "POST /bytes", "POST /ticks",
			}},
			{http.StatusOK, []string{"GET /delay?ms=1", "GET /hello", "GET /bytes?n=1&seed=0"}},
		} {
			for _, line := range test.lines {
				if got := Status(t, p, line); got != test.status {
					t.Errorf("%q, %s: got %d; want %d", args, line, got, test.status)
				}
			}
		}
	}
}

// Status sends a request, written as method, target and body, and returns the response's status.
func Status(t *testing.T, p *Process, line string) int {
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

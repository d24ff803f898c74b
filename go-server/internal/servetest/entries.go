package servetest

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// CheckEntries checks CONTRACT.md, 4.8, one request after the other on a connection. The Rust servers
// have the same check in rust-server/tests/servers/entries.rs.
func CheckEntries(t *testing.T) {
	conn := dial(t, startQuiet(t).Addr)
	reader := bufio.NewReader(conn)
	longest := strings.Repeat("é", 512)
	for _, test := range []struct {
		request           string
		status            int
		contentType, body string
		allow             string
	}{
		{request("GET /kv", ""), 200, jsonType, `{"count":0}`, ""},
		{request("GET /kv/7", ""), 404, jsonType, missing, ""},
		{request("PUT /kv/7", "first"), 200, jsonType, `{"id":7,"bytes":5}`, ""},
		{request("GET /kv/7", ""), 200, textType, "first", ""},
		{request("GET /kv/%37", "ignored"), 200, textType, "first", ""},
		{chunked("PUT /kv/007", "second!", 3), 200, jsonType, `{"id":7,"bytes":7}`, ""},
		{request("GET /kv/7?x=1", ""), 200, textType, "second!", ""},
		{request("PUT /kv/2147483647", longest), 200, jsonType,
			`{"id":2147483647,"bytes":1024}`, ""},
		{request("GET /kv/2147483647", ""), 200, textType, longest, ""},
		{request("PUT /kv/8", longest+"x"), 400, jsonType, badRequest, ""},
		{request("PUT /kv/8", ""), 400, jsonType, badRequest, ""},
		{request("PUT /kv/8", "\xff"), 400, jsonType, badRequest, ""},
		{request("PUT /kv/0", "x"), 400, jsonType, badRequest, ""},
		{request("PUT /kv/x", "x"), 400, jsonType, badRequest, ""},
		{request("GET /kv/2147483648", ""), 400, jsonType, badRequest, ""},
		{request("GET /kv/-1", ""), 400, jsonType, badRequest, ""},
		{request("GET /kv/", ""), 404, jsonType, missing, ""},
		{request("DELETE /kv/7", ""), 405, jsonType, disallowed, "GET, HEAD, PUT"},
		{request("PUT /kv", "x"), 405, jsonType, disallowed, "GET, HEAD"},
		{request("GET /kv/8", ""), 404, jsonType, missing, ""},
		{request("GET /kv", ""), 200, jsonType, `{"count":2}`, ""},
	} {
		send(t, conn, test.request)
		got := readResponse(t, reader, http.MethodGet)
		if got.status != test.status || got.body != test.body {
			t.Errorf("%s: got %d %q; want %d %q", firstLine(test.request), got.status, got.body,
				test.status, test.body)
		}
		checkHeader(t, got, test.contentType, test.allow, false)
	}
}

package servetest

import (
	"bufio"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

const (
	greeting   = `{"message":"hello world"}`
	badRequest = `{"error":"bad request"}`
	missing    = `{"error":"not found"}`
	disallowed = `{"error":"method not allowed"}`
	tooLarge   = `{"error":"payload too large"}`

	firstItem = `{"items":[{"id":1,"name":"Item 1","category":"books","price":8019,"quantity":2,` +
		`"active":true,"tags":["sale","new"],"rating":{"score":2,"count":13},"total":16038}],` +
		`"count":1}`
	order = `[{"id":"o-00001","customer":{"name":"Zo\u00eb \"Z\" Müller","country":"DE"},` +
		`"category":"books","paid":true,"lines":[{"sku":"B-1","quantity":3,"price":"12.34"}]}]`
	orderSummary = `{"count":1,"unpaid":0,"customers":1,"sum_cents":3702,` +
		`"by_category":{"books":3702},"top5":[{"id":"o-00001","cents":3702}]}`
	noOrders = `{"count":0,"unpaid":0,"customers":0,"sum_cents":0,"by_category":{},"top5":[]}`
)

func checkResponses(t *testing.T) {
	addr := startQuiet(t).Addr
	for _, test := range []struct {
		request           string
		contentType, body string
	}{
		{request("GET /", ""), htmlType, "<html><body>Hello world</body></html>\r\n"},
		{request("GET /hello", ""), jsonType, greeting},
		{request("GET /hello?%zz", ""), jsonType, greeting},
		{request("GET /hello", "ignored"), jsonType, greeting},
		{chunked("GET /hello", "ignored", 3), jsonType, greeting},

		{request("GET /sum?a=1&b=2", ""), textType, "3"},
		{request("GET /sum?b=-2&x=y&a=007&x=", ""), textType, "5"},
		{request("GET /sum?a=%31&b=%2d1", ""), textType, "0"},
		{request("GET /sum?a=999999999999999999&b=999999999999999999", ""), textType,
			"1999999999999999998"},
		{request("POST /sum?a=1&b=2", "3"), textType, "6"},
		{request("POST /sum?a=-999999999999999999&b=-999999999999999999", "-999999999999999999"),
			textType, "-2999999999999999997"},
		{chunked("POST /sum?a=1&b=2", "-40", 1), textType, "-37"},

		{request("GET /items/1?m=1", ""), jsonType, firstItem},
		{request("GET /items/%31?x=2&m=01", ""), jsonType, firstItem},

		{request("POST /orders", order), jsonType, orderSummary},
		{request("POST /orders?%zz", order), jsonType, orderSummary},
		{chunked("POST /orders", order, 7), jsonType, orderSummary},
		{request("POST /orders", "[]"), jsonType, noOrders},

		{request("GET /cpu?n=1", ""), textType, "1.000000000"},
		{request("GET /cpu?n=100", ""), textType, "1.274219991"},
	} {
		t.Run(firstLine(test.request), func(t *testing.T) {
			conn := dial(t, addr)
			send(t, conn, test.request)
			got := readResponse(t, bufio.NewReader(conn), http.MethodGet)
			if got.status != http.StatusOK || got.body != test.body {
				t.Errorf("got %d %q\nwant 200 %q", got.status, got.body, test.body)
			}
			checkHeader(t, got, test.contentType, "", false)
		})
	}
}

func checkRefusals(t *testing.T) {
	addr := startQuiet(t).Addr
	for _, test := range []struct {
		status int
		body   string
		allow  string
		lines  []string
	}{
		{http.StatusBadRequest, badRequest, "", []string{
			"GET /sum", "GET /sum?a=1", "GET /sum?b=1", "GET /sum?a=1&b=", "GET /sum?a=1&b=2&a=1",
			"GET /sum?a=1&b=2&b=", "GET /sum?a=1&b=%2B2", "GET /sum?a=1&b=+2", "GET /sum?a=1&b=2.0",
			"GET /sum?a=1&b=1000000000000000000", "GET /sum?a=1;b=2",
			"GET /sum?A=1&b=2", "GET /sum?a=1&b=%D9%A1",
			"POST /sum?a=1&b=2",
			"GET /items/1", "GET /items/1?m=", "GET /items/1?m=0", "GET /items/1?m=1000001",
			"GET /items/1?m=-1", "GET /items/1?m=1&m=1", "GET /items/0?m=1",
			"GET /items/1001?m=1", "GET /items/-1?m=1", "GET /items/+1?m=1", "GET /items/x?m=1",
			"GET /items/1%2F2?m=1", "GET /items/1%20?m=1", "GET /items/%FF?m=1",
			"GET /items/.5?m=1", "GET /items/%2531?m=1",
			"POST /orders",
			"GET /cpu", "GET /cpu?n=0", "GET /cpu?n=2001", "GET /cpu?n=-5", "GET /cpu?n=5&n=5",
		}},
		{http.StatusNotFound, missing, "", []string{
			"GET /nothing", "POST /nothing", "GET /hello/", "GET /hello/x", "GET /Hello",
			"GET /items", "GET /items/", "GET /items/1/", "GET /items/1/2?m=1",
			"GET /%00", "GET /hello%2F",
		}},
		{http.StatusMethodNotAllowed, disallowed, "GET, HEAD", []string{
			"POST /", "POST /hello", "DELETE /hello", "OPTIONS /hello",
			"PUT /items/1?m=1", "PUT /items/x", "POST /cpu?n=1",
		}},
		{http.StatusMethodNotAllowed, disallowed, "GET, HEAD, POST", []string{"PUT /sum?a=1&b=2"}},
		{http.StatusMethodNotAllowed, disallowed, "POST", []string{
			"GET /orders", "PATCH /orders",
		}},
	} {
		for _, line := range test.lines {
			t.Run(line, func(t *testing.T) {
				conn := dial(t, addr)
				send(t, conn, request(line, ""))
				got := readResponse(t, bufio.NewReader(conn), http.MethodGet)
				if got.status != test.status || got.body != test.body {
					t.Errorf("got %d %q; want %d %q", got.status, got.body, test.status, test.body)
				}
				checkHeader(t, got, jsonType, test.allow, false)
			})
		}
	}
}

// A method that HTTP does not have may never reach a route.
func checkUnknownMethod(t *testing.T) {
	conn := dial(t, startQuiet(t).Addr)
	send(t, conn, request("hello /hello", ""))
	got := readResponse(t, bufio.NewReader(conn), http.MethodGet)
	if got.status == http.StatusNotImplemented {
		return
	}
	if got.status != http.StatusMethodNotAllowed || got.body != disallowed {
		t.Errorf("got %d %q; want 501, or 405 %q", got.status, got.body, disallowed)
	}
	checkHeader(t, got, jsonType, "GET, HEAD", false)
}

func checkRefusedBodies(t *testing.T) {
	addr := startQuiet(t).Addr
	for _, test := range []struct {
		line, body string
	}{
		{"POST /sum?a=1&b=2", "x"},
		{"POST /sum?a=1&b=2", " 3"},
		{"POST /sum?a=1&b=2", "3\n"},
		{"POST /sum?a=1&b=2", "+3"},
		{"POST /sum?a=1&b=2", "1000000000000000000"},
		{"POST /sum?a=1", "3"},
		{"POST /orders", "null"},
		{"POST /orders", order + "x"},
		{"POST /orders", strings.Replace(order, "ü", "\xff", 1)},
		{"POST /orders", strings.Replace(order, "12.34", "12.3", 1)},
	} {
		for _, sent := range []string{request(test.line, test.body),
			chunked(test.line, test.body, 5)} {
			t.Run(firstLine(sent), func(t *testing.T) {
				conn := dial(t, addr)
				send(t, conn, sent)
				got := readResponse(t, bufio.NewReader(conn), http.MethodPost)
				if got.status != http.StatusBadRequest || got.body != badRequest {
					t.Errorf("%q: got %d %q; want 400", sent, got.status, got.body)
				}
				checkHeader(t, got, jsonType, "", false)
			})
		}
	}
}

func checkBodyLimit(t *testing.T) {
	addr := startQuiet(t).Addr
	blank := strings.Repeat(" ", bodyMax-len(order))
	for _, test := range []struct {
		name, request string
		status        int
		body          string
	}{
		{"all", request("POST /orders", order+blank), 200, orderSummary},
		{"all, chunked", chunked("POST /orders", blank+order, 5000), 200, orderSummary},
		{"all, ignored", request("GET /hello", order+blank), 200, greeting},
		{"all, ignored, chunked", chunked("GET /hello", order+blank, 5000), 200, greeting},
		{"all, no number", request("POST /sum?a=1&b=2", order+blank), 400, badRequest},
		{"compressed", request("POST /orders", compressed(order+blank+blank),
			"Content-Encoding: gzip"), 400, badRequest},
		{"over", request("POST /orders", order+blank+" "), 413, tooLarge},
		{"over, chunked", chunked("POST /orders", order+blank+" ", 5000), 413, tooLarge},
		{"over, one chunk", chunked("POST /orders", order+blank+" ", 2*bodyMax), 413, tooLarge},
		{"over, ignored", request("GET /hello", order+blank+" "), 413, tooLarge},
		{"over, unknown path", request("GET /nothing", order+blank+" "), 413, tooLarge},
		{"over, wrong method", request("PUT /hello", order+blank+" "), 413, tooLarge},
		{"over, no number", request("POST /sum?a=1&b=2", order+blank+" "), 413, tooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := dial(t, addr)
			reader := bufio.NewReader(conn)
			send(t, conn, test.request)
			got := readResponse(t, reader, http.MethodPost)
			if got.status != test.status || got.body != test.body {
				t.Fatalf("got %d %q; want %d %q", got.status, got.body, test.status, test.body)
			}
			closes := test.status == http.StatusRequestEntityTooLarge
			checkHeader(t, got, jsonType, "", closes)
			checkConnection(t, conn, reader, closes)
		})
	}
}

// compressed returns the text as gzip. A server does not know that, and takes it as it is.
func compressed(text string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	io.WriteString(w, text) // a builder takes everything
	w.Close()
	return b.String()
}

// checkConnection checks that a connection is at its end, or else that it still serves.
func checkConnection(t *testing.T, conn io.Writer, reader *bufio.Reader, closed bool) {
	t.Helper()
	if closed {
		if _, err := reader.ReadByte(); err != io.EOF {
			t.Errorf("got %v after the response; want %v", err, io.EOF)
		}
		return
	}
	if _, err := io.WriteString(conn, request("GET /sum?a=1&b=1", "")); err != nil {
		t.Fatal(err)
	}
	if got := readResponse(t, reader, http.MethodGet); got.body != "2" {
		t.Errorf("next response: got %d %q; want 2", got.status, got.body)
	}
}

func checkHead(t *testing.T) {
	addr := startQuiet(t).Addr
	for _, target := range []string{
		"/", "/hello", "/sum?a=1&b=2", "/items/1?m=1", "/items/900?m=1", "/cpu?n=1", "/cpu?n=x",
		"/nothing", "/orders",
	} {
		t.Run(target, func(t *testing.T) {
			conn := dial(t, addr)
			reader := bufio.NewReader(conn)
			send(t, conn, request("HEAD "+target, "")+request("GET "+target, ""))
			got := readResponse(t, reader, http.MethodHead)
			want := readResponse(t, reader, http.MethodGet)
			got.header.Del("Date")
			want.header.Del("Date")
			length := strconv.Itoa(len(want.body))
			if got.status != want.status || got.body != "" || len(got.header) != len(want.header) ||
				got.header.Get("Content-Length") != length ||
				got.header.Get("Content-Type") != want.header.Get("Content-Type") {
				t.Errorf("HEAD got %+v; want as GET but for the body, %d %v",
					got, want.status, want.header)
			}
		})
	}
}

// firstLine names the case of a request.
func firstLine(request string) string {
	line, _, _ := strings.Cut(request, "\r\n")
	return line
}

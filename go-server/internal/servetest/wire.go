package servetest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The checks speak HTTP by hand: a client library would tidy up what they send and what they get.

const (
	textType = "text/plain; charset=utf-8"
	htmlType = "text/html; charset=utf-8"
	jsonType = "application/json"

	// bodyMax is the largest body of a request, in bytes.
	bodyMax = 1 << 20
)

// exchangeTime is when a check gives up waiting for bytes.
const exchangeTime = 20 * time.Second

type received struct {
	status int
	header http.Header // without Connection, which becomes closes
	closes bool
	body   string
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(exchangeTime)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func send(t *testing.T, conn net.Conn, request string) {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
}

// readResponse reads the response to a request of the given method, on which it depends whether there
// is a body.
func readResponse(t *testing.T, reader *bufio.Reader, method string) received {
	t.Helper()
	response, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.TransferEncoding != nil {
		t.Errorf("got Transfer-Encoding %q; want none", response.TransferEncoding)
	}
	return received{
		status: response.StatusCode,
		header: response.Header,
		closes: response.Close,
		body:   string(body),
	}
}

// request writes a request with a body of known length, or none.
func request(line, body string, fields ...string) string {
	if body != "" {
		fields = append(fields, "Content-Length: "+strconv.Itoa(len(body)))
	}
	return head(line, fields) + body
}

// chunked writes a request with a body in chunks of at most size bytes.
func chunked(line, body string, size int) string {
	var b strings.Builder
	b.WriteString(head(line, []string{"Transfer-Encoding: chunked"}))
	for len(body) > 0 {
		chunk := body[:min(size, len(body))]
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(chunk), chunk)
		body = body[len(chunk):]
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

func head(line string, fields []string) string {
	fields = append([]string{line + " HTTP/1.1", "Host: x"}, fields...)
	return strings.Join(fields, "\r\n") + "\r\n\r\n"
}

// checkHeader checks that a response has the fields of CONTRACT.md, section 2, and no others.
func checkHeader(t *testing.T, got received, contentType, allow string, closes bool) {
	t.Helper()
	want := http.Header{
		"Content-Type":   {contentType},
		"Content-Length": got.header["Content-Length"],
		"Date":           got.header["Date"],
	}
	if allow != "" {
		want.Set("Allow", allow)
	}
	if got.closes != closes {
		t.Errorf("got Connection: close %t; want %t", got.closes, closes)
	}
	if fmt.Sprint(got.header) != fmt.Sprint(want) || got.header.Get("Content-Length") == "" {
		t.Errorf("got header %v; want %v", got.header, want)
	}
	if _, err := time.Parse(http.TimeFormat, got.header.Get("Date")); err != nil {
		t.Errorf("Date: %v", err)
	}
}

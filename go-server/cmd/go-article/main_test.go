package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"duet/go-server/internal/servetest"
)

func TestMain(m *testing.M) {
	servetest.Main(m, main)
}

func TestProgram(t *testing.T) {
	servetest.CheckProgram(t, "go-article", "net/http")
}

func TestStandardLibraryOnly(t *testing.T) {
	servetest.CheckStandardLibraryOnly(t)
}

// It knows one transport, and no flag that speaks of another.
func TestWithoutTransports(t *testing.T) {
	for _, args := range [][]string{{"-h2c"}, {"-tls-cert", "c", "-tls-key", "k"}} {
		line := servetest.CheckRefused(t, 2, args...)
		if want := "flag provided but not defined: " + args[0]; !strings.Contains(line, want) {
			t.Errorf("%q: got %q; want %q in it", args, line, want)
		}
	}
}

func TestHandler(t *testing.T) {
	const greeting = `{"message":"hello world"}`
	const missing = "404 page not found\n"
	for _, test := range []struct {
		method, target    string
		status            int
		contentType, body string
	}{
		{"GET", "/hello", 200, "application/json", greeting},
		{"POST", "/hello", 200, "application/json", greeting},
		{"GET", "/hello?x=%zz", 200, "application/json", greeting},
		{"GET", "/", 404, "text/plain; charset=utf-8", missing},
		{"GET", "/hello/", 404, "text/plain; charset=utf-8", missing},
	} {
		t.Run(test.method+" "+test.target, func(t *testing.T) {
			w := httptest.NewRecorder()
			newHandler().ServeHTTP(w, httptest.NewRequest(test.method, test.target, nil))
			contentType, body := w.Header().Get("Content-Type"), w.Body.String()
			if w.Code != test.status || contentType != test.contentType || body != test.body {
				t.Errorf("got %d, %q, %q; want %d, %q, %q",
					w.Code, contentType, body, test.status, test.contentType, test.body)
			}
		})
	}
}

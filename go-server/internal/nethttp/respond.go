package nethttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"

	"duet/go-server/internal/app"
)

const (
	TextType = "text/plain; charset=utf-8"
	HTMLType = "text/html; charset=utf-8"
	JSONType = "application/json"
)

// What a route returns for a request that is right and has no response of its own.
var (
	// ErrNotFound becomes a 404.
	ErrNotFound = errors.New("not found")
	// ErrMethodNotAllowed becomes a 405, whose Allow has been set.
	ErrMethodNotAllowed = errors.New("method not allowed")
	// ErrUnavailable, of what the server needs beside itself, becomes a 503.
	ErrUnavailable = errors.New("service unavailable")
)

// bodyMax bounds the body of a request, in bytes.
const bodyMax = 1 << 20

// A route handles a request whose body has been read. An error is the client's, and becomes a 400.
type route func(w http.ResponseWriter, r *http.Request, body []byte) error

// WithBody adapts a route that takes a body.
func WithBody(handle route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := ReadBody(w, r)
		if err == nil {
			err = handle(w, r, body)
		}
		if err != nil {
			Refuse(w, r, err)
		}
	}
}

// WithoutBody adapts a route that takes no body.
func WithoutBody(handle func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := SkipBody(w, r)
		if err == nil {
			err = handle(w, r)
		}
		if err != nil {
			Refuse(w, r, err)
		}
	}
}

// ReadBody reads the body of a request into a buffer of its size, if the client has said it.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var body bytes.Buffer
	if 0 < r.ContentLength && r.ContentLength <= bodyMax {
		// ReadFrom wants room for one more read, which tells it that the body has ended.
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := body.ReadFrom(limited(w, r))
	return body.Bytes(), err
}

// SkipBody reads the body of a request, if there is one, and ignores it. HTTP/1.1 says NoBody when
// there is none, HTTP/2 only that its length is 0.
func SkipBody(w http.ResponseWriter, r *http.Request) error {
	if r.Body == http.NoBody || r.ContentLength == 0 {
		return nil
	}
	_, err := io.Copy(io.Discard, limited(w, r))
	return err
}

// limited does not replace r.Body: the server looks at that for a client still waiting for its
// 100 Continue. The server also wants to know of a body that is too large, so that it closes the
// connection with care: a framework's writer does not pass that on, and is unwrapped.
func limited(w http.ResponseWriter, r *http.Request) io.Reader {
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return http.MaxBytesReader(w, r.Body, bodyMax)
		}
		w = wrapper.Unwrap()
	}
}

// Refuse responds to a request that the contract does not allow. After a body that is too large,
// its reader has arranged for the connection to close.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	slog.DebugContext(r.Context(), "request refused", "error", err)
	if !errors.Is(err, ErrMethodNotAllowed) {
		w.Header().Del("Allow") // which a framework may have set before the body was read
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		fail(w, r, http.StatusRequestEntityTooLarge, "payload too large")
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Header().Set("Connection", "close")
		fail(w, r, http.StatusRequestTimeout, "request timeout")
		return
	}
	switch {
	case errors.Is(err, ErrNotFound):
		fail(w, r, http.StatusNotFound, "not found")
	case errors.Is(err, ErrMethodNotAllowed):
		fail(w, r, http.StatusMethodNotAllowed, "method not allowed")
	case errors.Is(err, ErrUnavailable):
		fail(w, r, http.StatusServiceUnavailable, "service unavailable")
	default:
		fail(w, r, http.StatusBadRequest, "bad request")
	}
}

// NotFound is the route of an unknown path.
func NotFound(http.ResponseWriter, *http.Request) error { return ErrNotFound }

// MethodNotAllowed returns a handler for a known path and a wrong method.
func MethodNotAllowed(allow string) http.HandlerFunc {
	return WithoutBody(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Allow", allow)
		return ErrMethodNotAllowed
	})
}

func fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	RespondJSON(w, r, status, app.Failure{Error: message})
}

// RespondJSON encodes v, whole before its first byte is sent, so that Content-Length is known.
func RespondJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		slog.ErrorContext(r.Context(), "response not encoded", "error", err)
		http.Error(w, "internal server error", http.StatusInternalServerError)
		return
	}
	Respond(w, status, JSONType, body)
}

// Respond writes a response. A failed write means that the client has gone.
func Respond(w http.ResponseWriter, status int, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

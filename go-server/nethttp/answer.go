package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"duet/go-server/internal/app"
)

// bodyMax bounds the body of a request, in bytes.
const bodyMax = 1 << 20

// An answer is complete before its first byte is sent, so that Content-Length is known.
type answer struct {
	contentType string
	body        []byte
}

func asText(s string) answer {
	return answer{contentType: "text/plain; charset=utf-8", body: []byte(s)}
}

// asJSON encodes values without the characters that Marshal would escape for HTML: what comes from
// a client in them is letters, digits and hyphens.
func asJSON(v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // our types have nothing that Marshal could refuse
	}
	return answer{contentType: "application/json", body: body}
}

// get adapts a route that takes no body. One that comes all the same is read and ignored. HTTP/1.1
// says NoBody when there is none, HTTP/2 only that its length is 0.
func get(route func(*http.Request) (answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody && r.ContentLength != 0 {
			if _, err := io.Copy(io.Discard, limited(w, r)); err != nil {
				refuse(w, err)
				return
			}
		}
		a, err := route(r)
		if err != nil {
			refuse(w, err)
			return
		}
		a.write(w, http.StatusOK)
	})
}

// post adapts a route that takes a body.
func post(route func(*http.Request, []byte) (answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(limited(w, r))
		if err != nil {
			refuse(w, err)
			return
		}
		a, err := route(r, body)
		if err != nil {
			refuse(w, err)
			return
		}
		a.write(w, http.StatusOK)
	})
}

// limited does not replace r.Body: the server looks at that for a client still waiting for its
// 100 Continue.
func limited(w http.ResponseWriter, r *http.Request) io.Reader {
	return http.MaxBytesReader(w, r.Body, bodyMax)
}

// refuse answers what is wrong with a request; all errors of routes are the client's. The reader of
// a body too large has arranged for the connection to close.
func refuse(w http.ResponseWriter, err error) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		fail(w, http.StatusRequestEntityTooLarge, "payload too large")
		return
	}
	fail(w, http.StatusBadRequest, "bad request")
}

var notFound http.HandlerFunc = func(w http.ResponseWriter, _ *http.Request) {
	fail(w, http.StatusNotFound, "not found")
}

func methodNotAllowed(allow string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allow)
		fail(w, http.StatusMethodNotAllowed, "method not allowed")
	})
}

func fail(w http.ResponseWriter, status int, message string) {
	asJSON(app.Failure{Error: message}).write(w, status)
}

func (a answer) write(w http.ResponseWriter, status int) {
	header := w.Header()
	header.Set("Content-Type", a.contentType)
	header.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(status)
	w.Write(a.body) // an error means that the client has gone; there is nobody to tell
}

package nethttp

import (
	"net/http"

	"duet/go-server/internal/app"
)

// handleEntries adds the routes of CONTRACT.md, 4.8, with a cache of their own.
func handleEntries(mux *http.ServeMux) {
	entries := app.NewEntries()
	mux.Handle("GET /kv", WithoutBody(countEntries(entries)))
	mux.Handle("GET /kv/{id}", WithoutBody(getEntry(entries)))
	mux.Handle("PUT /kv/{id}", WithBody(putEntry(entries)))
	mux.Handle("/kv", MethodNotAllowed("GET, HEAD"))
	mux.Handle("/kv/{id}", MethodNotAllowed("GET, HEAD, PUT"))
}

func countEntries(entries *app.Entries) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		RespondJSON(w, r, http.StatusOK, entries.Count())
		return nil
	}
}

func getEntry(entries *app.Entries) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := app.ParseCount(r.PathValue("id"), app.EntryIDMax)
		if err != nil {
			return err
		}
		value, ok := entries.Get(id)
		if !ok {
			return ErrNotFound
		}
		Respond(w, http.StatusOK, TextType, []byte(value))
		return nil
	}
}

func putEntry(entries *app.Entries) route {
	return func(w http.ResponseWriter, r *http.Request, body []byte) error {
		id, err := app.ParseCount(r.PathValue("id"), app.EntryIDMax)
		if err != nil {
			return err
		}
		stored, err := entries.Put(id, body)
		if err != nil {
			return err
		}
		RespondJSON(w, r, http.StatusOK, stored)
		return nil
	}
}

// Package nethttp has the routes of CONTRACT.md, section 4, on net/http, and what servers share whose
// framework is built on it.
package nethttp

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"duet/go-server/internal/app"
)

// NewMux returns the routes of CONTRACT.md, section 4. A pattern with GET serves HEAD too.
func NewMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", WithoutBody(Index))
	mux.Handle("GET /hello", WithoutBody(Hello))
	mux.Handle("GET /sum", WithoutBody(Sum))
	mux.Handle("POST /sum", WithBody(SumWithBody))
	mux.Handle("GET /items/{n}", WithoutBody(items))
	mux.Handle("POST /orders", WithBody(Orders))
	mux.Handle("GET /cpu", WithoutBody(CPU))
	handleEntries(mux)

	// The mux's own 404 and 405 are plain text. These patterns are less specific than those above
	// and so get what is left.
	mux.Handle("/", WithoutBody(NotFound))
	mux.Handle("/{$}", MethodNotAllowed("GET, HEAD"))
	mux.Handle("/hello", MethodNotAllowed("GET, HEAD"))
	mux.Handle("/sum", MethodNotAllowed("GET, HEAD, POST"))
	mux.Handle("/items/{n}", MethodNotAllowed("GET, HEAD"))
	mux.Handle("/orders", MethodNotAllowed("POST"))
	mux.Handle("/cpu", MethodNotAllowed("GET, HEAD"))
	return mux
}

// Index responds to GET /.
func Index(w http.ResponseWriter, _ *http.Request) error {
	header := w.Header()
	header.Set("Content-Type", HTMLType)
	header.Set("Content-Length", strconv.Itoa(len(app.Index)))
	w.WriteHeader(http.StatusOK)
	io.WriteString(w, app.Index) // a failed write means that the client has gone
	return nil
}

// Hello responds to GET /hello.
func Hello(w http.ResponseWriter, r *http.Request) error {
	RespondJSON(w, r, http.StatusOK, app.NewHello())
	return nil
}

// Sum responds to GET /sum?a=&b=.
func Sum(w http.ResponseWriter, r *http.Request) error {
	total, err := sumOfQuery(r)
	if err != nil {
		return err
	}
	Respond(w, http.StatusOK, TextType, strconv.AppendInt(nil, total, 10))
	return nil
}

// SumWithBody responds to POST /sum?a=&b=.
func SumWithBody(w http.ResponseWriter, r *http.Request, body []byte) error {
	total, err := sumOfQuery(r)
	if err != nil {
		return err
	}
	third, err := app.ParseInteger(string(body))
	if err != nil {
		return err
	}
	Respond(w, http.StatusOK, TextType, strconv.AppendInt(nil, total+third, 10))
	return nil
}

func items(w http.ResponseWriter, r *http.Request) error {
	return Items(w, r, r.PathValue("n"))
}

// Items responds to GET /items/{n}?m=, where count is what the path has for n.
func Items(w http.ResponseWriter, r *http.Request, count string) error {
	n, err := app.ParseCount(count, app.ItemCountMax)
	if err != nil {
		return err
	}
	factor, err := CountFromQuery(r, "m", app.ItemFactorMax)
	if err != nil {
		return err
	}
	RespondJSON(w, r, http.StatusOK, app.NewItemList(n, factor))
	return nil
}

// Orders responds to POST /orders.
func Orders(w http.ResponseWriter, r *http.Request, body []byte) error {
	orders, err := app.DecodeOrders(body)
	if err != nil {
		return err
	}
	summary, err := app.Summarize(orders)
	if err != nil {
		return err
	}
	RespondJSON(w, r, http.StatusOK, summary)
	return nil
}

// CPU responds to GET /cpu?n=.
func CPU(w http.ResponseWriter, r *http.Request) error {
	n, err := CountFromQuery(r, "n", app.SpectralSizeMax)
	if err != nil {
		return err
	}
	norm := app.SpectralNorm(n)
	Respond(w, http.StatusOK, TextType, strconv.AppendFloat(nil, norm, 'f', 9, 64))
	return nil
}

// sumOfQuery returns the sum of the parameters a and b.
func sumOfQuery(r *http.Request) (int64, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, name := range []string{"a", "b"} {
		value, err := Single(query, name)
		if err != nil {
			return 0, err
		}
		n, err := app.ParseInteger(value)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// CountFromQuery returns the parameter of that name, which is from 1 to most.
func CountFromQuery(r *http.Request, name string, most uint32) (uint32, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, err
	}
	value, err := Single(query, name)
	if err != nil {
		return 0, err
	}
	return app.ParseCount(value, most)
}

// Single returns the value of a parameter that must occur exactly once.
func Single(query url.Values, name string) (string, error) {
	values := query[name]
	if len(values) != 1 {
		return "", errors.New("not exactly one " + name)
	}
	return values[0], nil
}

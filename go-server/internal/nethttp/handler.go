// Package nethttp has the routes of CONTRACT.md, section 4, on net/http, for every server that uses
// it.
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
	mux.Handle("GET /{$}", WithoutBody(index))
	mux.Handle("GET /hello", WithoutBody(hello))
	mux.Handle("GET /sum", WithoutBody(sum))
	mux.Handle("POST /sum", WithBody(sumWithBody))
	mux.Handle("GET /items/{n}", WithoutBody(items))
	mux.Handle("POST /orders", WithBody(orders))
	mux.Handle("GET /cpu", WithoutBody(cpu))

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

func index(w http.ResponseWriter, _ *http.Request) error {
	header := w.Header()
	header.Set("Content-Type", HTMLType)
	header.Set("Content-Length", strconv.Itoa(len(app.Index)))
	w.WriteHeader(http.StatusOK)
	io.WriteString(w, app.Index) // a failed write means that the client has gone
	return nil
}

func hello(w http.ResponseWriter, r *http.Request) error {
	RespondJSON(w, r, http.StatusOK, app.NewHello())
	return nil
}

func sum(w http.ResponseWriter, r *http.Request) error {
	total, err := sumOfQuery(r)
	if err != nil {
		return err
	}
	Respond(w, http.StatusOK, TextType, strconv.AppendInt(nil, total, 10))
	return nil
}

func sumWithBody(w http.ResponseWriter, r *http.Request, body []byte) error {
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
	n, err := app.ParseCount(r.PathValue("n"), app.ItemCountMax)
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

func orders(w http.ResponseWriter, r *http.Request, body []byte) error {
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

func cpu(w http.ResponseWriter, r *http.Request) error {
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

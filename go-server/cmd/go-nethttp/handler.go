package main

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"duet/go-server/internal/app"
)

// newHandler returns the routes of CONTRACT.md, section 4. A pattern with GET serves HEAD too.
func newHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", withoutBody(index))
	mux.Handle("GET /hello", withoutBody(hello))
	mux.Handle("GET /sum", withoutBody(sum))
	mux.Handle("POST /sum", withBody(sumWithBody))
	mux.Handle("GET /items/{n}", withoutBody(items))
	mux.Handle("POST /orders", withBody(orders))
	mux.Handle("GET /cpu", withoutBody(cpu))

	// The mux's own 404 and 405 are plain text. These patterns are less specific than those above
	// and so get what is left.
	mux.Handle("/", withoutBody(notFound))
	mux.Handle("/{$}", methodNotAllowed("GET, HEAD"))
	mux.Handle("/hello", methodNotAllowed("GET, HEAD"))
	mux.Handle("/sum", methodNotAllowed("GET, HEAD, POST"))
	mux.Handle("/items/{n}", methodNotAllowed("GET, HEAD"))
	mux.Handle("/orders", methodNotAllowed("POST"))
	mux.Handle("/cpu", methodNotAllowed("GET, HEAD"))
	return mux
}

func index(w http.ResponseWriter, _ *http.Request) error {
	header := w.Header()
	header.Set("Content-Type", htmlType)
	header.Set("Content-Length", strconv.Itoa(len(app.Index)))
	w.WriteHeader(http.StatusOK)
	io.WriteString(w, app.Index) // a failed write means that the client has gone
	return nil
}

func hello(w http.ResponseWriter, r *http.Request) error {
	respondJSON(w, r, http.StatusOK, app.NewHello())
	return nil
}

func sum(w http.ResponseWriter, r *http.Request) error {
	total, err := sumOfQuery(r)
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, textType, strconv.AppendInt(nil, total, 10))
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
	respond(w, http.StatusOK, textType, strconv.AppendInt(nil, total+third, 10))
	return nil
}

func items(w http.ResponseWriter, r *http.Request) error {
	n, err := app.ParseCount(r.PathValue("n"), app.ItemCountMax)
	if err != nil {
		return err
	}
	factor, err := countFromQuery(r, "m", app.ItemFactorMax)
	if err != nil {
		return err
	}
	respondJSON(w, r, http.StatusOK, app.NewItemList(n, factor))
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
	respondJSON(w, r, http.StatusOK, summary)
	return nil
}

func cpu(w http.ResponseWriter, r *http.Request) error {
	n, err := countFromQuery(r, "n", app.SpectralSizeMax)
	if err != nil {
		return err
	}
	norm := app.SpectralNorm(n)
	respond(w, http.StatusOK, textType, strconv.AppendFloat(nil, norm, 'f', 9, 64))
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
		value, err := single(query, name)
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

// countFromQuery returns the parameter of that name, which is from 1 to most.
func countFromQuery(r *http.Request, name string, most uint32) (uint32, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, err
	}
	value, err := single(query, name)
	if err != nil {
		return 0, err
	}
	return app.ParseCount(value, most)
}

// single returns the value of a parameter that must occur exactly once.
func single(query url.Values, name string) (string, error) {
	values := query[name]
	if len(values) != 1 {
		return "", errors.New("not exactly one " + name)
	}
	return values[0], nil
}

package main

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"duet/go-server/internal/app"
)

// newHandler makes the routes of CONTRACT.md, section 4. A pattern with GET serves HEAD too.
func newHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", get(index))
	mux.Handle("GET /hello", get(hello))
	mux.Handle("GET /sum", get(sum))
	mux.Handle("POST /sum", post(sumWithBody))
	mux.Handle("GET /items/{n}", get(items))
	mux.Handle("POST /orders", post(orders))
	mux.Handle("GET /cpu", get(cpu))

	// The mux's own 404 and 405 are plain text. These patterns are less specific than those above
	// and so get what is left.
	mux.Handle("/", notFound)
	mux.Handle("/{$}", methodNotAllowed("GET, HEAD"))
	mux.Handle("/hello", methodNotAllowed("GET, HEAD"))
	mux.Handle("/sum", methodNotAllowed("GET, HEAD, POST"))
	mux.Handle("/items/{n}", methodNotAllowed("GET, HEAD"))
	mux.Handle("/orders", methodNotAllowed("POST"))
	mux.Handle("/cpu", methodNotAllowed("GET, HEAD"))
	return withoutRedirects(mux)
}

// withoutRedirects answers 404 where a ServeMux would redirect to the path made clean: no route has
// such a path (//hello, /./hello), nor one that does not begin with a slash (OPTIONS *).
func withoutRedirects(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.EscapedPath(); !strings.HasPrefix(p, "/") || path.Clean(p) != p {
			notFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func index(*http.Request) (answer, error) {
	return answer{contentType: "text/html; charset=utf-8", body: []byte(app.Index)}, nil
}

func hello(*http.Request) (answer, error) {
	return asJSON(app.NewHello()), nil
}

func sum(r *http.Request) (answer, error) {
	total, err := sumOfQuery(r)
	if err != nil {
		return answer{}, err
	}
	return asText(strconv.FormatInt(total, 10)), nil
}

func sumWithBody(r *http.Request, body []byte) (answer, error) {
	total, err := sumOfQuery(r)
	if err != nil {
		return answer{}, err
	}
	third, err := app.ParseInteger(string(body))
	if err != nil {
		return answer{}, err
	}
	return asText(strconv.FormatInt(total+third, 10)), nil
}

func items(r *http.Request) (answer, error) {
	n, err := app.ParseCount(r.PathValue("n"), app.ItemCountMax)
	if err != nil {
		return answer{}, err
	}
	factor, err := countFromQuery(r, "m", app.ItemFactorMax)
	if err != nil {
		return answer{}, err
	}
	return asJSON(app.NewItemList(n, factor)), nil
}

func orders(_ *http.Request, body []byte) (answer, error) {
	orders, err := app.DecodeOrders(body)
	if err != nil {
		return answer{}, err
	}
	return asJSON(app.Summarize(orders)), nil
}

func cpu(r *http.Request) (answer, error) {
	n, err := countFromQuery(r, "n", app.SpectralSizeMax)
	if err != nil {
		return answer{}, err
	}
	return asText(strconv.FormatFloat(app.SpectralNorm(int(n)), 'f', 9, 64)), nil
}

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

func countFromQuery(r *http.Request, name string, most int64) (int64, error) {
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

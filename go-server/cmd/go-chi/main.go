// Command go-chi serves all routes of CONTRACT.md, 4.1 to 4.3, with chi, a router for the handlers
// of net/http: they are those of go-nethttp.
package main

import (
	"net/http"
	"net/url"
	"os"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"duet/go-server/internal/nethttp"
	"duet/go-server/internal/serve"
)

// framework is what the server says that it is built on.
var framework = "chi " + serve.ModuleVersion("github.com/go-chi/chi/v5")

func main() {
	os.Exit(serve.Main(serve.Program{
		Name:      "go-chi",
		Framework: framework,
		NewServer: newServer,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

func newServer(timeouts serve.Timeouts) serve.Server {
	return nethttp.NewServer(newRouter(), timeouts)
}

func newRouter() chi.Router {
	router := chi.NewRouter()
	router.Use(middleware.GetHead)

	router.Get("/", nethttp.WithoutBody(nethttp.Index))
	router.Get("/hello", nethttp.WithoutBody(nethttp.Hello))
	router.Get("/sum", nethttp.WithoutBody(nethttp.Sum))
	router.Post("/sum", nethttp.WithBody(nethttp.SumWithBody))
	router.Get("/items/{n}", nethttp.WithoutBody(items))
	router.Post("/orders", nethttp.WithBody(nethttp.Orders))
	router.Get("/cpu", nethttp.WithoutBody(nethttp.CPU))

	router.NotFound(nethttp.WithoutBody(nethttp.NotFound))
	router.MethodNotAllowed(nethttp.WithoutBody(methodNotAllowed))
	return router
}

func items(w http.ResponseWriter, r *http.Request) error {
	n := chi.URLParam(r, "n")
	if r.URL.RawPath != "" { // chi has routed by it, and a parameter is as it was sent
		unescaped, err := url.PathUnescape(n)
		if err != nil {
			return err
		}
		n = unescaped
	}
	return nethttp.Items(w, r, n)
}

// methodNotAllowed asks the router which methods the path has: a handler of one's own is not told.
// chi sends it methods that HTTP does not have, whatever the path.
func methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	routes := chi.RouteContext(r.Context()).Routes
	has := func(method string) bool {
		return routes.Match(chi.NewRouteContext(), method, r.URL.EscapedPath())
	}
	get, post := has(http.MethodGet), has(http.MethodPost)
	switch {
	case get && post:
		w.Header().Set("Allow", "GET, HEAD, POST")
	case get:
		w.Header().Set("Allow", "GET, HEAD")
	case post:
		w.Header().Set("Allow", "POST")
	default:
		return nethttp.ErrNotFound
	}
	return nethttp.ErrMethodNotAllowed
}

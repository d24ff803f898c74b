// Command go-article is the Go server of the article, behind the command line the harness needs.
package main

import (
	"encoding/json"
	"net/http"
	"os"

	"duet/go-server/internal/serve"
)

func main() {
	os.Exit(serve.Main(serve.Program{
		Name:      "go-article",
		Framework: "net/http",
		NewServer: newServer,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

// newServer returns the article's server, which has no time-outs.
func newServer(serve.Timeouts) serve.Server {
	return &http.Server{Handler: newHandler()}
}

// newHandler responds as the article's code does, with all of net/http's defaults: one route, any
// method, plain-text 404.
func newHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", hello)
	return mux
}

type response struct {
	Message string `json:"message"`
}

func hello(w http.ResponseWriter, _ *http.Request) {
	body, err := json.Marshal(response{Message: "hello world"})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	w.Write(body)
}

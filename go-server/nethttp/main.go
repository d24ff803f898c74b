// Command go-nethttp answers all routes of CONTRACT.md with net/http and encoding/json.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"duet/go-server/internal/serve"
)

func main() {
	os.Exit(serve.Main(serve.Program{
		Name:       "go-nethttp",
		Framework:  "net/http",
		Server:     newServer(),
		Transports: true,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

// newServer bounds what a client can hold: a connection ends when it has been silent, or stuck in
// one request, for longer than an honest client ever is.
func newServer() *http.Server {
	return &http.Server{
		Handler:           newHandler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
}

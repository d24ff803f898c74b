// Command go-nethttp-backends serves all routes of CONTRACT.md with net/http, those that wait for a
// database with pgx and its pool, and those that call others with net/http.
package main

import (
	"net/http"
	"os"

	"duet/go-server/internal/backends"
	"duet/go-server/internal/nethttp"
	"duet/go-server/internal/serve"
)

func main() {
	var options backends.Options
	os.Exit(serve.Main(serve.Program{
		Name:      "go-nethttp-backends",
		Framework: "net/http, pgx " + backends.PgxVersion(),
		NewServer: func(timeouts serve.Timeouts) *http.Server {
			mux := nethttp.NewMux()
			options.Open().Add(mux)
			return nethttp.NewServer(options.Handler(mux), timeouts)
		},
		Transports: true,
		Define:     options.Define,
		More:       backends.Usage,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

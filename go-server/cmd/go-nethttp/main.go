// Command go-nethttp serves all routes of CONTRACT.md with net/http and encoding/json.
package main

import (
	"log/slog"
	"net/http"
	"os"

	"duet/go-server/internal/serve"
)

func main() {
	os.Exit(serve.Main(serve.Program{
		Name:       "go-nethttp",
		Framework:  "net/http",
		NewServer:  newServer,
		Transports: true,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

// newServer returns a server with the limits of CONTRACT.md, section 2.
func newServer(timeouts serve.Timeouts) *http.Server {
	return &http.Server{
		Handler:           newHandler(),
		IdleTimeout:       timeouts.Idle,
		ReadHeaderTimeout: timeouts.Head,
		ReadTimeout:       timeouts.Request,
		WriteTimeout:      timeouts.Write,
		MaxHeaderBytes:    64 << 10,
		// Connections that clients break are no more news than requests that are refused.
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
}

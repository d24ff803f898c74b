package nethttp

import (
	"log/slog"
	"net/http"

	"duet/go-server/internal/serve"
)

// NewServer returns a server with the limits of CONTRACT.md, section 2.
func NewServer(handler http.Handler, timeouts serve.Timeouts) *http.Server {
	return &http.Server{
		Handler:           handler,
		IdleTimeout:       timeouts.Idle,
		ReadHeaderTimeout: timeouts.Head,
		ReadTimeout:       timeouts.Request,
		WriteTimeout:      timeouts.Write,
		MaxHeaderBytes:    64 << 10,
		// Connections that clients break are no more news than requests that are refused.
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
}

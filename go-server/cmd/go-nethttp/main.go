// Command go-nethttp serves all routes of CONTRACT.md, 4.1 to 4.3, with net/http and encoding/json.
package main

import (
	"os"

	"duet/go-server/internal/nethttp"
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

func newServer(timeouts serve.Timeouts) serve.Server {
	return nethttp.NewServer(nethttp.NewMux(), timeouts)
}

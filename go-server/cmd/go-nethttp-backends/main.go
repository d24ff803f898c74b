// Command go-nethttp-backends serves all routes of CONTRACT.md with net/http, those that wait for a
// database with pgx and its pool, and those that call others with net/http.
package main

import (
	"os"

	"duet/go-server/internal/backends"
	"duet/go-server/internal/pgxdb"
	"duet/go-server/internal/serve"
)

// framework is what the server says that it is built on.
var framework = "net/http, pgx " + serve.ModuleVersion("github.com/jackc/pgx/v5")

func main() {
	options := backends.Options{Driver: pgxdb.Driver}
	os.Exit(serve.Main(serve.Program{
		Name:       "go-nethttp-backends",
		Framework:  framework,
		NewServer:  options.NewServer,
		Transports: true,
		Define:     options.Define,
		More:       backends.Usage,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

// Command go-nethttp-sql serves the routes of go-nethttp-backends, those that wait for a database with
// database/sql, its pool and pgx's driver.
package main

import (
	"os"

	"duet/go-server/internal/backends"
	"duet/go-server/internal/serve"
	"duet/go-server/internal/sqldb"
)

// framework is what the server says that it is built on.
var framework = "net/http, database/sql, pgx " + serve.ModuleVersion("github.com/jackc/pgx/v5")

func main() {
	options := backends.Options{Driver: sqldb.Driver}
	os.Exit(serve.Main(serve.Program{
		Name:       "go-nethttp-sql",
		Framework:  framework,
		NewServer:  options.NewServer,
		Transports: true,
		Define:     options.Define,
		More:       backends.Usage,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

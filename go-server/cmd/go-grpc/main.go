// Command go-grpc serves the service of CONTRACT.md, section 9, with grpc-go, as its documentation
// teaches.
package main

import (
	"os"

	"duet/go-server/internal/serve"
)

// framework is what the server says that it is built on.
var framework = "grpc-go " + serve.ModuleVersion("google.golang.org/grpc")

func main() {
	os.Exit(serve.Main(serve.Program{
		Name:      "go-grpc",
		Framework: framework,
		NewServer: newServer,
		Define:    define,
		More:      " [-h2c]",
	}, os.Args[1:], os.Stdout, os.Stderr))
}

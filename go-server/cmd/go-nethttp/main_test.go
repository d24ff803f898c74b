package main

import (
	"net/http"
	"testing"

	"duet/go-server/internal/servetest"
)

func TestMain(m *testing.M) {
	servetest.Main(m, main)
}

func TestProgram(t *testing.T) {
	servetest.CheckProgram(t, "go-nethttp", "net/http")
}

func TestContract(t *testing.T) {
	servetest.CheckContract(t)
}

func TestEntries(t *testing.T) {
	servetest.CheckEntries(t)
}

func TestTransports(t *testing.T) {
	servetest.CheckTransports(t)
}

// The contract leaves them open. Here they are refused where a query is read.
func TestMalformedQueries(t *testing.T) {
	p := servetest.Start(t)
	for _, target := range []string{"/sum?a=1&b=2&c=%zz", "/items/1?m=1&%"} {
		response, err := http.Get("http://" + p.Addr + target)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d; want 400", target, response.StatusCode)
		}
	}
}

// What is measured in the lane std is the standard library.
func TestStandardLibraryOnly(t *testing.T) {
	servetest.CheckStandardLibraryOnly(t)
}

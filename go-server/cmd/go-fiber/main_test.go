package main

import (
	"testing"

	"duet/go-server/internal/servetest"
)

func TestMain(m *testing.M) {
	servetest.Main(m, main)
}

func TestProgram(t *testing.T) {
	servetest.CheckProgram(t, "go-fiber", framework)
}

func TestContract(t *testing.T) {
	servetest.CheckContract(t)
}

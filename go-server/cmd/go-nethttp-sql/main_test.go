package main

import (
	"testing"

	"duet/go-server/internal/servetest"
)

func TestMain(m *testing.M) {
	servetest.Main(m, main)
}

func TestProgram(t *testing.T) {
	servetest.CheckProgram(t, "go-nethttp-sql", framework)
}

func TestContract(t *testing.T) {
	servetest.CheckContract(t)
}

func TestServices(t *testing.T) {
	servetest.CheckServices(t)
}

package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestNBody(t *testing.T) { expect.NBody(t, run) }

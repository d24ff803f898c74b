package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestPidigits(t *testing.T) { expect.Pidigits(t, run) }

package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestReverseComplement(t *testing.T) { expect.ReverseComplement(t, run) }

package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestFasta(t *testing.T) { expect.Fasta(t, run) }

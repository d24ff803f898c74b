package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestKNucleotide(t *testing.T) { expect.KNucleotide(t, run) }

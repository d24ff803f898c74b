package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestSpectralNorm(t *testing.T) { expect.SpectralNorm(t, run) }

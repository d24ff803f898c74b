package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestMandelbrot(t *testing.T) { expect.Mandelbrot(t, run) }

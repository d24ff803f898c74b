package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestPipeline(t *testing.T) { expect.Pipeline(t, run) }

package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestContention(t *testing.T) { expect.Contention(t, run) }

package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestPingPong(t *testing.T) { expect.PingPong(t, run) }

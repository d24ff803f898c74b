package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestFannkuchRedux(t *testing.T) { expect.FannkuchRedux(t, run) }

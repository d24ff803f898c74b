package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestRegexRedux(t *testing.T) { expect.RegexRedux(t, run) }

package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestBinaryTrees(t *testing.T) { expect.BinaryTrees(t, run) }

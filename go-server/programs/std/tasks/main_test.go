package main

import (
	"testing"

	"duet/go-server/programs/internal/expect"
)

func TestTasks(t *testing.T) { expect.Tasks(t, run) }

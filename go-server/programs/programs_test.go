// Package programs tests what only a process shows: exit codes and what is said on standard error.
package programs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestBinaries(t *testing.T) {
	folders, err := filepath.Glob("*/*/main.go")
	if err != nil || len(folders) == 0 {
		t.Fatalf("programs: got %d, %v", len(folders), err)
	}
	for _, source := range folders {
		folder := filepath.Dir(source)
		t.Run(folder, func(t *testing.T) { testBinary(t, folder) })
	}
}

func testBinary(t *testing.T, folder string) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-o", binary, "./"+folder)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	reader, closed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	reader.Close()

	name := filepath.Base(folder)
	for _, c := range []struct {
		args   string
		stdout *os.File // thrown away if nil
		code   int
		stderr string
	}{
		{args: "7", code: 0},
		{args: "abc", code: 2, stderr: name + ": N must be a whole number from "},
		{args: "7 7", code: 2, stderr: name + ": N must be a whole number from "},
		{args: "7", stdout: full, code: 1, stderr: name + ": write /dev/stdout: no space left on device"},
		{args: "7", stdout: closed, code: 1},
	} {
		var stderr bytes.Buffer
		cmd := exec.Command(binary, strings.Fields(c.args)...)
		cmd.Stdin = strings.NewReader(">THREE\nGGTA\n")
		cmd.Stderr = &stderr
		if c.stdout != nil {
			cmd.Stdout = c.stdout
		}
		_ = cmd.Run() // an exit code other than 0 is an error to it
		got, lines := stderr.String(), strings.Count(stderr.String(), "\n")
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.HasPrefix(got, c.stderr) ||
			lines != min(1, len(c.stderr)) {
			t.Errorf("%s %s: got exit code %d, %q, want %d, %q", name, c.args, code, got, c.code, c.stderr)
		}
	}
}

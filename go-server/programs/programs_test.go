// Package programs tests what only a process shows: exit codes and what is said on standard error.
package programs

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestBinaries(t *testing.T) {
	for _, lane := range []string{"std", "tuned"} {
		binaries := buildLane(t, lane)
		for _, binary := range binaries {
			t.Run(lane+"/"+filepath.Base(binary), func(t *testing.T) { testBinary(t, binary) })
		}
	}
}

// buildLane builds all programs of a lane with one command and returns the paths of the binaries.
func buildLane(t *testing.T, lane string) []string {
	t.Helper()
	folder := t.TempDir()
	build := exec.Command("go", "build", "-o", folder+"/", "./"+lane+"/...")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	binaries, err := filepath.Glob(folder + "/*")
	if err != nil || len(binaries) == 0 {
		t.Fatalf("programs of %s: got %d, %v", lane, len(binaries), err)
	}
	return binaries
}

func testBinary(t *testing.T, binary string) {
	t.Parallel()
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

	name := filepath.Base(binary)
	type test struct {
		args   string
		stdin  string   // a record with one sequence if empty
		stdout *os.File // thrown away if nil
		code   int
		stderr string
	}
	tests := []test{
		{args: "7", code: 0},
		{args: "abc", code: 2, stderr: name + ": N must be a whole number from "},
		{args: "7 7", code: 2, stderr: name + ": N must be a whole number from "},
		{args: "-1", code: 2, stderr: name + ": N must be a whole number from "},
		{args: strings.Repeat("9", 30), code: 2, stderr: name + ": N must be a whole number from "},
		{args: "7", stdout: full, code: 1, stderr: name + ": write /dev/stdout: no space left on device"},
		{args: "7", stdout: closed, code: 1},
	}
	switch name {
	case "k-nucleotide", "regex-redux", "reverse-complement":
		tests = append(tests,
			test{stdin: "\n", code: 2, stderr: name + ": standard input must be FASTA"},
			test{stdin: "ACGT\n", code: 2, stderr: name + ": standard input must be FASTA"},
		)
	default:
		tests = append(tests, test{code: 2, stderr: name + ": N must be a whole number from "})
	}
	for _, c := range tests {
		var stderr bytes.Buffer
		cmd := exec.Command(binary, strings.Fields(c.args)...)
		cmd.Stdin = strings.NewReader(cmp.Or(c.stdin, ">THREE\nGGTA\n"))
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

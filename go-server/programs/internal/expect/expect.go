// Package expect holds the right answers of the programs. Each program has one test here, which all
// its lanes share.
package expect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A Program is the run function of a program.
type Program func(args []string, stdin io.Reader, stdout io.Writer) error

// A test is a run and its right output, whole or as a hash.
type test struct {
	arg    string // none if empty
	stdin  []byte
	want   string
	sha256 string // in its place
}

// coreCounts are how many cores each test is run on: work must be cut up rightly for any number.
var coreCounts = []int{1, 3}

// outputs runs the program for each test.
func outputs(t *testing.T, run Program, tests []test) {
	t.Helper()
	for _, c := range tests {
		for _, cores := range coreCounts {
			got := output(t, run, c, cores)
			if c.sha256 != "" {
				hash := sha256.Sum256([]byte(got))
				got, c.want = hex.EncodeToString(hash[:]), c.sha256
			}
			if got != c.want {
				t.Errorf("%s, %d cores: got\n%s\nwant\n%s", c, cores, short(got), short(c.want))
			}
		}
	}
}

// output runs the program for one test and returns what it wrote.
func output(t *testing.T, run Program, c test, cores int) string {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	var stdout bytes.Buffer
	if err := run(c.args(), bytes.NewReader(c.stdin), &stdout); err != nil {
		t.Fatalf("%s, %d cores: %v", c, cores, err)
	}
	return stdout.String()
}

func (c test) args() []string {
	if c.arg == "" {
		return nil
	}
	return []string{c.arg}
}

func (c test) String() string {
	if c.arg == "" {
		return fmt.Sprintf("%d bytes", len(c.stdin))
	}
	return "N = " + c.arg
}

// short keeps failures readable.
func short(text string) string {
	const bytesMax = 1000
	if len(text) > bytesMax {
		return text[:bytesMax] + "…"
	}
	return text
}

// badNumbers checks that a program whose N is least to most takes nothing else.
func badNumbers(t *testing.T, run Program, least, most int) {
	t.Helper()
	want := fmt.Sprintf("N must be a whole number from %d to %d: got ", least, most)
	for _, c := range []struct {
		args []string
		got  string
	}{
		{nil, "nothing"},
		{[]string{"7", "7"}, "2 arguments"},
		{[]string{""}, `""`},
		{[]string{"abc"}, `"abc"`},
		{[]string{"-1"}, `"-1"`},
		{[]string{fmt.Sprint(most + 1)}, fmt.Sprintf("%q", fmt.Sprint(most+1))},
		{[]string{strings.Repeat("9", 30)}, fmt.Sprintf("%q", strings.Repeat("9", 30))},
	} {
		err := run(c.args, strings.NewReader(""), io.Discard)
		if err == nil || err.Error() != want+c.got {
			t.Errorf("arguments %q: got error %v, want %s%s", c.args, err, want, c.got)
		}
	}
}

// badInputs checks the errors that standard inputs, the keys, give.
func badInputs(t *testing.T, run Program, wants map[string]string) {
	t.Helper()
	for stdin, want := range wants {
		for _, cores := range coreCounts {
			err := onCores(cores, func() error { return run(nil, strings.NewReader(stdin), io.Discard) })
			if err == nil || err.Error() != want {
				t.Errorf("%q, %d cores: got error %v, want %s", short(stdin), cores, err, want)
			}
		}
	}
	for _, readable := range []string{"", ">", ">THREE\nACGT\n"} {
		err := run(nil, io.MultiReader(strings.NewReader(readable), broken{}), io.Discard)
		if !errors.Is(err, errBroken) {
			t.Errorf("input broken after %q: got error %v, want %v", readable, err, errBroken)
		}
	}
	for _, args := range [][]string{{"0", "0"}, {"x"}, {"-1"}} {
		if err := run(args, strings.NewReader(">THREE\nA\n"), io.Discard); err == nil {
			t.Errorf("arguments %q: got no error, want one", args)
		}
	}
}

func onCores(cores int, do func() error) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	return do()
}

// badOutput checks that a program ends with the error of its output.
func badOutput(t *testing.T, run Program, c test) {
	t.Helper()
	if err := run(c.args(), bytes.NewReader(c.stdin), broken{}); !errors.Is(err, errBroken) {
		t.Errorf("%s, output broken: got error %v, want %v", c, err, errBroken)
	}
}

// broken is a stream that fails at once.
type broken struct{}

var errBroken = errors.New("broken")

func (broken) Read([]byte) (int, error)  { return 0, errBroken }
func (broken) Write([]byte) (int, error) { return 0, errBroken }

// published is a file of what the benchmarks game publishes. Tests run in the folder of a program.
func published(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../../../../bench/data/benchmarks-game", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

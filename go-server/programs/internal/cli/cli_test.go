package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
)

func TestNumber(t *testing.T) {
	const range1To20 = "N must be a whole number from 1 to 20: got "
	for _, c := range []struct {
		args []string
		want int
		err  string
	}{
		{args: []string{"1"}, want: 1},
		{args: []string{"20"}, want: 20},
		{args: []string{"007"}, want: 7},
		{args: nil, err: range1To20 + `nothing`},
		{args: []string{"1", "2"}, err: range1To20 + `2 arguments`},
		{args: []string{""}, err: range1To20 + `""`},
		{args: []string{"abc"}, err: range1To20 + `"abc"`},
		{args: []string{"0"}, err: range1To20 + `"0"`},
		{args: []string{"21"}, err: range1To20 + `"21"`},
		{args: []string{"-1"}, err: range1To20 + `"-1"`},
		{args: []string{"+1"}, err: range1To20 + `"+1"`},
		{args: []string{"1.0"}, err: range1To20 + `"1.0"`},
		{args: []string{"1_0"}, err: range1To20 + `"1_0"`},
		{args: []string{"18446744073709551617"}, err: range1To20 + `"18446744073709551617"`},
	} {
		got, err := Number(c.args, 1, 20)
		if got != c.want || fmt.Sprint(err) != printed(c.err) {
			t.Errorf("Number(%q) = %d, %v, want %d, %s", c.args, got, err, c.want, printed(c.err))
		}
	}
}

// printed is how fmt prints the error with the text, or no error.
func printed(text string) string {
	if text == "" {
		return "<nil>"
	}
	return text
}

func TestNoNumber(t *testing.T) {
	for _, c := range []struct {
		args []string
		err  string
	}{
		{nil, ""},
		{[]string{"0"}, ""},
		{[]string{"9223372036854775807"}, ""},
		{[]string{"x"}, `N must be a whole number from 0 to 9223372036854775807: got "x"`},
	} {
		if err := NoNumber(c.args); fmt.Sprint(err) != printed(c.err) {
			t.Errorf("NoNumber(%q) = %v, want %s", c.args, err, printed(c.err))
		}
	}
}

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err    error
		want   int
		stderr string
	}{
		{nil, 0, ""},
		{io.ErrShortWrite, 1, "fasta: short write\n"},
		{&os.PathError{Op: "write", Path: "out", Err: syscall.EPIPE}, 1, ""},
		{Unusable("N is %q", "x"), 2, "fasta: N is \"x\"\n"},
		{fmt.Errorf("again: %w", Unusable("no")), 2, "fasta: again: no\n"},
	} {
		var stderr bytes.Buffer
		got := exitCode("fasta", c.err, &stderr)
		if got != c.want || stderr.String() != c.stderr {
			t.Errorf("exitCode(%v) = %d, %q, want %d, %q", c.err, got, stderr.String(), c.want, c.stderr)
		}
	}
}

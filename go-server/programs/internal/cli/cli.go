// Package cli is what every program does around its problem: take N, say in one line what is wrong,
// and choose the exit code.
package cli

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// Main runs the program called name and exits: 0 when all is done, 2 when the input is not what the
// program can use, 1 when reading or writing failed. One line on standard error says why, except
// that a reader who closed the pipe is told nothing.
func Main(name string, run func(args []string, stdin io.Reader, stdout io.Writer) error) {
	signal.Ignore(syscall.SIGPIPE) // so that a closed pipe is a write error
	os.Exit(exitCode(name, run(os.Args[1:], os.Stdin, os.Stdout), os.Stderr))
}

func exitCode(name string, err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	if !errors.Is(err, syscall.EPIPE) {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	if _, wrong := errors.AsType[inputError](err); wrong {
		return 2
	}
	return 1
}

// inputError is the error of an input that can be read but not used.
type inputError string

func (e inputError) Error() string { return string(e) }

// Unusable says why the argument or standard input cannot be used.
func Unusable(format string, args ...any) error {
	return inputError(fmt.Sprintf(format, args...))
}

// Number is the only argument, a whole number from least to most.
func Number(args []string, least, most int) (int, error) {
	var got string
	switch len(args) {
	case 0:
		got = "nothing"
	case 1:
		// No sign, no underscore: ParseUint takes digits only.
		n, err := strconv.ParseUint(args[0], 10, 63)
		if err == nil && least <= int(n) && int(n) <= most {
			return int(n), nil
		}
		got = strconv.Quote(args[0])
	default:
		got = fmt.Sprintf("%d arguments", len(args))
	}
	return 0, Unusable("N must be a whole number from %d to %d: got %s", least, most, got)
}

// NoNumber is for programs that read standard input. They ignore a number, since the benchmarks
// game starts every program with one.
func NoNumber(args []string) error {
	if len(args) == 0 {
		return nil
	}
	_, err := Number(args, 0, math.MaxInt)
	return err
}

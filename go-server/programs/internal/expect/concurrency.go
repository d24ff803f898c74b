package expect

import (
	"fmt"
	"testing"
)

// The programs about concurrency. Their outputs follow from N.

// Tasks tests the program of that name.
func Tasks(t *testing.T, run Program) {
	outputs(t, run, []test{
		{arg: "1", want: "1 tasks, sum 1\n"},
		{arg: "2", want: "2 tasks, sum 3\n"},
		{arg: "1000", want: "1000 tasks, sum 500500\n"}, // n(n+1)/2
		{arg: "20000", want: "20000 tasks, sum 200010000\n"},
	})
	badNumbers(t, run, 1, 10_000_000)
	badOutput(t, run, test{arg: "1"})
}

// PingPong tests the program of that name.
func PingPong(t *testing.T, run Program) {
	outputs(t, run, []test{
		{arg: "1", want: "2\n"}, // each of the two adds one
		{arg: "1000", want: "2000\n"},
		{arg: "10001", want: "20002\n"},
	})
	badNumbers(t, run, 1, 1_000_000_000)
	badOutput(t, run, test{arg: "1"})
}

// Pipeline tests the program of that name.
func Pipeline(t *testing.T, run Program) {
	var tests []test
	for _, n := range []int{1, 3, 4, 5, 1000, 20_001} {
		want := fmt.Sprintf("%d\n", n*(n+2)) // the sum of 2x+1 is n(n+1) + n
		tests = append(tests, test{arg: fmt.Sprint(n), want: want})
	}
	outputs(t, run, tests)
	badNumbers(t, run, 1, 1_000_000_000)
	badOutput(t, run, test{arg: "1"})
}

// Contention tests the program of that name.
func Contention(t *testing.T, run Program) {
	outputs(t, run, []test{
		{arg: "1", want: "mutex 8\natomic 8\nsharded map 8\n"}, // eight tasks add n times
		{arg: "1000", want: "mutex 8000\natomic 8000\nsharded map 8000\n"},
		{arg: "5001", want: "mutex 40008\natomic 40008\nsharded map 40008\n"},
	})
	badNumbers(t, run, 1, 100_000_000)
	badOutput(t, run, test{arg: "1"})
}

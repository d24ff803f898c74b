// Command ping-pong passes a number to and fro N times between two goroutines, and each adds one to
// it. Nearly all time is spent in waking the other goroutine.
package main

import (
	"fmt"
	"io"

	"duet/go-server/programs/internal/cli"
)

func main() { cli.Main("ping-pong", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 1, 1_000_000_000)
	if err != nil {
		return err
	}
	toPong, toPing, last := make(chan int), make(chan int), make(chan int)
	go pong(toPong, toPing)
	go func() { last <- ping(n, toPong, toPing) }()
	_, err = fmt.Fprintln(stdout, <-last)
	return err
}

// ping returns the last number that it has received.
func ping(n int, toPong chan<- int, fromPong <-chan int) int {
	defer close(toPong)
	number := 0
	for range n {
		toPong <- number + 1
		number = <-fromPong
	}
	return number
}

func pong(fromPing <-chan int, toPing chan<- int) {
	for number := range fromPing {
		toPing <- number + 1
	}
}

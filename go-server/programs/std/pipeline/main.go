// Command pipeline has four producers that send the numbers to N, four workers that make 2x+1 of
// each x, and one reducer that adds up. Nearly all time is spent in channels and in waking who waits
// for them.
package main

import (
	"fmt"
	"io"
	"sync"

	"duet/go-server/programs/internal/cli"
)

const (
	producerCount = 4
	workerCount   = 4

	// room is how many messages a channel has room for.
	room = 1024
)

func main() { cli.Main("pipeline", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 1, 1_000_000_000)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, reduce(workers(producers(n))))
	return err
}

func producers(n int) <-chan int {
	numbers := make(chan int, room)
	var running sync.WaitGroup
	for first := range producerCount {
		running.Go(func() {
			for number := first + 1; number <= n; number += producerCount {
				numbers <- number
			}
		})
	}
	go func() {
		running.Wait()
		close(numbers)
	}()
	return numbers
}

func workers(numbers <-chan int) <-chan int {
	results := make(chan int, room)
	var running sync.WaitGroup
	for range workerCount {
		running.Go(func() {
			for number := range numbers {
				results <- 2*number + 1
			}
		})
	}
	go func() {
		running.Wait()
		close(results)
	}()
	return results
}

func reduce(results <-chan int) int {
	sum := 0
	for result := range results {
		sum += result
	}
	return sum
}

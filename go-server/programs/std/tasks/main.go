// Command tasks starts N goroutines that all wait for one event, lets them go, and lets each add its
// number to a sum. How much memory a waiting goroutine takes decides how many a service can hold.
//
// The event is that a channel is closed, which happens when all have begun to wait for it.
package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"duet/go-server/programs/internal/cli"
)

func main() { cli.Main("tasks", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 1, 10_000_000)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d tasks, sum %d\n", n, sumOfTasks(n))
	return err
}

func sumOfTasks(n int) int64 {
	event := make(chan struct{})
	var sum atomic.Int64
	var started, ended sync.WaitGroup
	started.Add(n)
	for number := range n {
		ended.Go(func() {
			started.Done()
			<-event
			sum.Add(int64(number + 1))
		})
	}
	started.Wait()
	close(event)
	ended.Wait()
	return sum.Load()
}

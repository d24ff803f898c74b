// Command contention has eight goroutines that each add N times to a counter behind a mutex, to an
// atomic counter, and to the counters of a map that is shared out over 64 mutexes.
package main

import (
	"bufio"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"duet/go-server/programs/internal/cli"
)

const (
	taskCount  = 8
	shardCount = 64
	keyCount   = 1024
)

func main() { cli.Main("contention", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 1, 100_000_000)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	fmt.Fprintln(out, "mutex", behindMutex(n))
	fmt.Fprintln(out, "atomic", atomically(n))
	fmt.Fprintln(out, "sharded map", inShardedMap(n))
	return out.Flush()
}

func behindMutex(n int) uint64 {
	var mutex sync.Mutex
	var counter uint64
	inTasks(func() {
		for range n {
			mutex.Lock()
			counter++
			mutex.Unlock()
		}
	})
	return counter
}

func atomically(n int) uint64 {
	var counter atomic.Uint64
	inTasks(func() {
		for range n {
			counter.Add(1)
		}
	})
	return counter.Load()
}

// A shard has the counters of the keys that leave its number as remainder.
type shard struct {
	sync.Mutex
	counters map[int]uint64
}

func inShardedMap(n int) uint64 {
	var shards [shardCount]shard
	for i := range shards {
		shards[i].counters = make(map[int]uint64)
	}
	inTasks(func() {
		for i := range n {
			key := i % keyCount
			shard := &shards[key%shardCount]
			shard.Lock()
			shard.counters[key]++
			shard.Unlock()
		}
	})
	var total uint64
	for i := range shards {
		for _, counter := range shards[i].counters {
			total += counter
		}
	}
	return total
}

// inTasks does the work in every goroutine at once, and waits for all of them.
func inTasks(work func()) {
	var tasks sync.WaitGroup
	for range taskCount {
		tasks.Go(work)
	}
	tasks.Wait()
}

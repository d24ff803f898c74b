// Command binary-trees builds, counts and drops many perfect binary trees, every node allocated by
// itself, while one large tree stays alive.
//
// Trees of one depth are built in equal shares; each core takes the next share of any depth. The
// time goes into allocating nodes and into the garbage collector, which marks the long-lived tree
// again and again on the same cores.
package main

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"duet/go-server/programs/internal/cli"
)

const (
	minDepth = 4

	// shares is into how many pieces of work the trees of one depth are cut: as many as there are
	// trees of the greatest depth.
	shares = 1 << minDepth
)

func main() { cli.Main("binary-trees", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 0, 30)
	if err != nil {
		return err
	}
	maxDepth := max(minDepth+2, n)
	out := bufio.NewWriter(stdout)
	fmt.Fprintf(out, "stretch tree of depth %d\t check: %d\n", maxDepth+1, build(maxDepth+1).count())

	longLived := build(maxDepth)
	for row, sum := range countTrees(maxDepth) {
		depth := minDepth + 2*row
		trees := shares << (maxDepth - depth)
		fmt.Fprintf(out, "%d\t trees of depth %d\t check: %d\n", trees, depth, sum)
	}
	fmt.Fprintf(out, "long lived tree of depth %d\t check: %d\n", maxDepth, longLived.count())
	return out.Flush()
}

// countTrees builds all the short-lived trees and returns how many nodes they had, by depth:
// minDepth first, then every second one.
func countTrees(maxDepth int) []int64 {
	rows := (maxDepth-minDepth)/2 + 1
	sums := make([]int64, rows)
	var next atomic.Int64
	var cores sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		cores.Go(func() {
			for work := int(next.Add(1)) - 1; work < rows*shares; work = int(next.Add(1)) - 1 {
				row := work / shares
				atomic.AddInt64(&sums[row], countShare(minDepth+2*row, maxDepth))
			}
		})
	}
	cores.Wait()
	return sums
}

// countShare builds and drops one share of the trees of a depth, one at a time.
func countShare(depth, maxDepth int) int64 {
	nodes := 0
	for range 1 << (maxDepth - depth) {
		nodes += build(depth).count()
	}
	return int64(nodes)
}

// A node has two children, or none if it is a leaf.
type node struct{ left, right *node }

// build makes a perfect tree, its leaves first.
func build(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{build(depth - 1), build(depth - 1)}
}

// count walks the tree and returns the number of its nodes.
func (n *node) count() int {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}

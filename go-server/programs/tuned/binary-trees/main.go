// Command binary-trees builds, counts and drops many perfect binary trees, the nodes of each in an
// arena of its own, while one large tree stays alive.
//
// Trees of one depth are built in equal shares; each core takes the next share of any depth and
// builds its trees in one arena, again and again. Children are indices into the arena, so that the
// garbage collector has nothing to follow. The time goes into writing and reading memory.
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
	stretch := newArena(maxDepth + 1)
	root := stretch.build(maxDepth + 1)
	fmt.Fprintf(out, "stretch tree of depth %d\t check: %d\n", maxDepth+1, stretch.count(root))

	longLived := newArena(maxDepth)
	root = longLived.build(maxDepth)
	for row, sum := range countTrees(maxDepth) {
		depth := minDepth + 2*row
		trees := shares << (maxDepth - depth)
		fmt.Fprintf(out, "%d\t trees of depth %d\t check: %d\n", trees, depth, sum)
	}
	fmt.Fprintf(out, "long lived tree of depth %d\t check: %d\n", maxDepth, longLived.count(root))
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
			nodes := newArena(maxDepth)
			for work := int(next.Add(1)) - 1; work < rows*shares; work = int(next.Add(1)) - 1 {
				row := work / shares
				atomic.AddInt64(&sums[row], countShare(nodes, minDepth+2*row, maxDepth))
			}
		})
	}
	cores.Wait()
	return sums
}

// countShare builds and drops one share of the trees of a depth, one at a time.
func countShare(nodes arena, depth, maxDepth int) int64 {
	sum := 0
	for range 1 << (maxDepth - depth) {
		nodes = nodes[:0]
		sum += nodes.count(nodes.build(depth))
	}
	return int64(sum)
}

// A node has two children, or none if it is a leaf: then both are 0.
type node struct{ left, right uint32 }

// An arena holds the nodes of a tree. A child comes before its parent; index 0 is a leaf, and the
// left child of its parent.
type arena []node

// newArena has room for a perfect tree.
func newArena(depth int) arena {
	return make(arena, 0, 1<<(depth+1)-1)
}

// build makes a perfect tree, its leaves first, and returns its root.
func (a *arena) build(depth int) uint32 {
	var n node
	if depth > 0 {
		n = node{a.build(depth - 1), a.build(depth - 1)}
	}
	*a = append(*a, n)
	return uint32(len(*a) - 1)
}

// count walks the tree and returns the number of its nodes.
func (a arena) count(root uint32) int {
	n := a[root]
	if n.right == 0 {
		return 1
	}
	return 1 + a.count(n.left) + a.count(n.right)
}

// Command fannkuch-redux flips pancakes: for each permutation of 0 … n-1 it reverses the elements up
// to the one whose index the first element is, until the first is 0, and counts the flips.
//
// The n! permutations come in a fixed order, in which any one can be computed from its index. So the
// order is cut into chunks, and each core takes the next. The time goes into the reversals, whose
// lengths no branch predictor can guess.
package main

import (
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"duet/go-server/programs/internal/cli"
)

const maxN = 16

func main() { cli.Main("fannkuch-redux", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 1, maxN)
	if err != nil {
		return err
	}
	total := pancakes(n)
	_, err = fmt.Fprintf(stdout, "%d\nPfannkuchen(%d) = %d\n", total.checksum, n, total.maxFlips)
	return err
}

// flips is what is known of some of the permutations.
type flips struct {
	checksum int // flips of those with an even index less flips of those with an odd one
	maxFlips int
}

func (f *flips) add(g flips) {
	f.checksum += g.checksum
	f.maxFlips = max(f.maxFlips, g.maxFlips)
}

// pancakes counts the flips of all permutations of n elements.
func pancakes(n int) flips {
	permutations := factorial(n)
	chunk := factorial(max(n-2, 2)) // even, so that every chunk starts with a plus
	var next atomic.Int64
	var total flips
	var mu sync.Mutex
	var cores sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		cores.Go(func() {
			var mine flips
			for {
				first := (int(next.Add(1)) - 1) * chunk
				if first >= permutations {
					break
				}
				mine.add(countChunk(n, first, min(chunk, permutations-first)))
			}
			mu.Lock()
			defer mu.Unlock()
			total.add(mine)
		})
	}
	cores.Wait()
	return total
}

func factorial(n int) int {
	product := 1
	for i := 2; i <= n; i++ {
		product *= i
	}
	return product
}

// countChunk counts the flips of so many permutations of n elements from index first on.
func countChunk(n, first, permutations int) flips {
	var sum flips
	p := permutationAt(n, first)
	for i := range permutations {
		count := countFlips(&p.elements)
		sum.maxFlips = max(sum.maxFlips, count)
		if i%2 == 0 {
			sum.checksum += count
		} else {
			sum.checksum -= count
		}
		p.next()
	}
	return sum
}

// A permutation knows how often its first i+1 elements have been rotated since the first i+2 last
// were: that is its index, written in factorials.
type permutation struct {
	elements  [maxN]int
	rotations [maxN]uint8
}

func permutationAt(n, index int) permutation {
	var p permutation
	for i := range p.elements {
		p.elements[i] = i
	}
	for i := n - 1; i > 0; i-- {
		p.rotations[i] = uint8(index / factorial(i))
		index %= factorial(i)
		for range p.rotations[i] {
			p.rotate(i)
		}
	}
	return p
}

// next is the permutation of the next index. After the last of n elements it is one with n+1.
func (p *permutation) next() {
	for i := 1; i < maxN; i++ {
		p.rotate(i)
		if int(p.rotations[i]) < i {
			p.rotations[i]++
			return
		}
		p.rotations[i] = 0
	}
}

// rotate moves the first of the first i+1 elements behind the others.
func (p *permutation) rotate(i int) {
	head := p.elements[:i+1]
	first := head[0]
	for j := range head[1:] {
		head[j] = head[j+1]
	}
	head[i] = first
}

// countFlips reverses a copy of elements until the first is 0. The first is kept apart: a flip puts
// it where the next one comes from.
func countFlips(elements *[maxN]int) int {
	first := elements[0]
	if first == 0 {
		return 0
	}
	if elements[first] == 0 {
		return 1
	}
	flipped := *elements
	count := 0
	for ; first != 0; count++ {
		next := flipped[first]
		flipped[first] = first
		for low, high := 1, first-1; low < high; low, high = low+1, high-1 {
			flipped[low], flipped[high] = flipped[high], flipped[low]
		}
		first = next
	}
	return count
}

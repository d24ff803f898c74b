// Command fannkuch-redux flips pancakes: for each permutation of 0 … n-1 it reverses the elements up
// to the one whose index the first element is, until the first is 0, and counts the flips.
//
// The n! permutations come in a fixed order, in which any one can be computed from its index. So the
// order is cut into chunks, and each core takes the next. A permutation is one number of four bits
// an element, so that a reversal of any length is the same few instructions without a branch. What
// is left is the wait for one flip after the other, and a guess at which is the last.
package main

import (
	"fmt"
	"io"
	"math/bits"
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
	if n == 1 {
		return flips{} // one permutation, where permutations are counted in pairs
	}
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
	for i := 0; i < permutations; i += 2 {
		even := p.elements
		p.next()
		odd := p.elements
		p.next()
		evenFlips, oddFlips := countFlips(even, odd)
		sum.checksum += evenFlips - oddFlips
		sum.maxFlips = max(sum.maxFlips, evenFlips, oddFlips)
	}
	return sum
}

// elements has element i in bits 4i to 4i+3.
type elements uint64

const (
	identity elements = 0xfedcba9876543210
	evens    elements = 0x0f0f0f0f0f0f0f0f
)

// A permutation knows how often its first i+1 elements have been rotated since the first i+2 last
// were: that is its index, written in factorials.
type permutation struct {
	elements  elements
	rotations [maxN]uint8
}

func permutationAt(n, index int) permutation {
	p := permutation{elements: identity}
	for i := n - 1; i > 0; i-- {
		p.rotations[i] = uint8(index / factorial(i))
		index %= factorial(i)
		for range p.rotations[i] {
			p.elements = p.elements.rotated(i)
		}
	}
	return p
}

// next is the permutation of the next index. After the last of n elements it is one with n+1.
func (p *permutation) next() {
	for i := 1; i < maxN; i++ {
		p.elements = p.elements.rotated(i)
		if int(p.rotations[i]) < i {
			p.rotations[i]++
			return
		}
		p.rotations[i] = 0
	}
}

// rotated has the first of the first i+1 elements behind the others.
func (e elements) rotated(i int) elements {
	others := elements(1)<<(4*i&63) - 1
	first := e & 0xf << (4 * i & 63)
	return e>>4&others | first | e&^(others<<4|0xf)
}

// reversed has its first last+1 elements in reverse order.
func (e elements) reversed(last elements) elements {
	all := elements(bits.ReverseBytes64(uint64(e)))
	all = all>>4&evens | all&evens<<4
	kept := ^elements(0xf) << (4 * last & 63)
	return all>>(60-4*last&63) | e&kept
}

// countFlips counts flips of two permutations at once. When one is done, its first element is 0,
// and flips do not change it: so the only branch is at the end of both.
func countFlips(a, b elements) (int, int) {
	var aFlips, bFlips elements
	for {
		aFirst, bFirst := a&0xf, b&0xf
		if aFirst|bFirst == 0 {
			return int(aFlips), int(bFlips)
		}
		aFlips += (aFirst + 0xf) >> 4 // 1 unless aFirst is 0
		bFlips += (bFirst + 0xf) >> 4
		a, b = a.reversed(aFirst), b.reversed(bFirst)
	}
}

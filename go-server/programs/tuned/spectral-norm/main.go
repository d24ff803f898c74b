// Command spectral-norm approximates the largest singular value of the n by n corner of an infinite
// matrix A by the power method: ten times it multiplies a vector by AᵀA and again by AᵀA.
//
// The cores share the rows of each product and wait for each other after it. The matrix is never
// stored. Along a row each denominator follows from the one before by an addition, and four
// quotients are brought to one denominator: the time goes into the products this takes instead of
// three divisions.
package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"

	"duet/go-server/programs/internal/cli"
)

func main() { cli.Main("spectral-norm", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 1, 100_000)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%.9f\n", spectralNorm(n))
	return err
}

func spectralNorm(n int) float64 {
	u, v, between := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range u {
		u[i] = 1
	}
	for range 10 {
		multiplyAtA(v, u, between)
		multiplyAtA(u, v, between)
	}
	var uv, vv float64
	for i := range u {
		uv += u[i] * v[i]
		vv += v[i] * v[i]
	}
	return math.Sqrt(uv / vv)
}

// multiplyAtA sets out to AᵀA·in, with A·in in between.
func multiplyAtA(out, in, between []float64) {
	eachRow(len(in), func(row int) { between[row] = multiplyA(row, in) })
	eachRow(len(in), func(row int) { out[row] = multiplyAt(row, between) })
}

// eachRow calls do for every row, each core for its share of them, and returns when all is done.
func eachRow(rows int, do func(row int)) {
	var cores sync.WaitGroup
	shares := runtime.GOMAXPROCS(0)
	for share := range shares {
		cores.Go(func() {
			for row := rows * share / shares; row < rows*(share+1)/shares; row++ {
				do(row)
			}
		})
	}
	cores.Wait()
}

// multiplyA is a row of A times in.
func multiplyA(row int, in []float64) float64 {
	return sumQuotients(in, denominator(row, 0), row+1)
}

// multiplyAt is a row of Aᵀ times in.
func multiplyAt(row int, in []float64) float64 {
	return sumQuotients(in, denominator(0, row), row+2)
}

// denominator is 1 / A(i, j).
func denominator(i, j int) int {
	return (i+j)*(i+j+1)/2 + i + 1
}

// sumQuotients divides each number by its denominator and adds the quotients up. Each denominator is
// larger than the one before by a step, which is larger by 1 than the one before.
func sumQuotients(numbers []float64, first, step int) float64 {
	var sum float64
	for ; len(numbers) >= 4; numbers = numbers[4:] {
		a := float64(first)
		b := float64(first + step)
		c := float64(first + 2*step + 1)
		d := float64(first + 3*step + 3)
		first, step = first+4*step+6, step+4

		ab := numbers[0]*b + numbers[1]*a // over a·b
		cd := numbers[2]*d + numbers[3]*c // over c·d
		sum += (ab*(c*d) + cd*(a*b)) / (a * b * (c * d))
	}
	for _, number := range numbers {
		sum += number / float64(first)
		first, step = first+step, step+1
	}
	return sum
}

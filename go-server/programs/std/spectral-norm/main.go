// Command spectral-norm approximates the largest singular value of the n by n corner of an infinite
// matrix A by the power method: ten times it multiplies a vector by AᵀA and again by AᵀA.
//
// The cores share the rows of each product and wait for each other after it. The matrix is never
// stored: the time goes into the division that each of its elements costs each time.
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
	var sum float64
	for column, x := range in {
		sum += element(row, column) * x
	}
	return sum
}

// multiplyAt is a row of Aᵀ times in.
func multiplyAt(row int, in []float64) float64 {
	var sum float64
	for column, x := range in {
		sum += element(column, row) * x
	}
	return sum
}

// element is A(i, j).
func element(i, j int) float64 {
	return 1 / float64((i+j)*(i+j+1)/2+i+1)
}

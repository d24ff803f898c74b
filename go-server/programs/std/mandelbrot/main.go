// Command mandelbrot draws the Mandelbrot set as a portable bitmap of n by n pixels.
//
// Each core takes the next row of the picture, which is written when all are done. The time goes
// into the pixels of the set itself: they run through all the iterations.
package main

import (
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"duet/go-server/programs/internal/cli"
)

const iterations = 50

func main() { cli.Main("mandelbrot", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 1, 32_768)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "P4\n%d %d\n", n, n); err != nil {
		return err
	}
	_, err = stdout.Write(draw(n))
	return err
}

// draw returns the rows of the picture, eight pixels a byte, each row filled up to a whole byte.
func draw(n int) []byte {
	stride := (n + 7) / 8
	picture := make([]byte, n*stride)
	var next atomic.Int64
	var cores sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		cores.Go(func() {
			for y := int(next.Add(1)) - 1; y < n; y = int(next.Add(1)) - 1 {
				drawRow(picture[y*stride:][:stride], y, n)
			}
		})
	}
	cores.Wait()
	return picture
}

func drawRow(row []byte, y, n int) {
	ci := coordinate(y, n) - 1
	for x := range n {
		if inSet(coordinate(x, n)-1.5, ci) {
			row[x/8] |= 0x80 >> (x % 8)
		}
	}
}

// coordinate goes from 0 to 2 along a side of the picture.
func coordinate(pixel, n int) float64 {
	return float64(2*pixel) / float64(n)
}

// inSet tells whether z = z² + c, from 0 on, stays within a distance of 2. The products are rounded
// on every machine, as the conversions say: fused with the sums they would give other pictures.
func inSet(cr, ci float64) bool {
	var zr, zi, rr, ii float64
	for range iterations {
		zi = float64(2*zr*zi) + ci
		zr = rr - ii + cr
		rr, ii = float64(zr*zr), float64(zi*zi)
		if rr+ii > 4 {
			return false
		}
	}
	return true
}

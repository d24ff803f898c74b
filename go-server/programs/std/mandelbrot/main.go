// Command mandelbrot draws the Mandelbrot set as a portable bitmap of n by n pixels.
//
// Each core takes the next row of the picture, which is written when all are done. Two pixels run
// side by side, as each iteration waits for the one before. The time goes into the pixels of the set
// itself: they run through all the iterations.
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
	for x := 0; x < n; x += 2 {
		left, right := inSet(coordinate(x, n)-1.5, coordinate(x+1, n)-1.5, ci)
		row[x/8] |= (left<<7 | right<<6) >> (x % 8)
	}
	if n%8 != 0 {
		row[n/8] &^= 0xff >> (n % 8) // the pixel beyond an odd number
	}
}

// coordinate goes from 0 to 2 along a side of the picture.
func coordinate(pixel, n int) float64 {
	return float64(2*pixel) / float64(n)
}

// inSet is 1 for each of two pixels of a row where z = z² + c, from 0 on, stays within a distance
// of 2: what is outside never comes back. The products are rounded on every machine, as the
// conversions say: fused with the sums they would give other pictures.
func inSet(cr0, cr1, ci float64) (left, right byte) {
	var zr0, zi0, rr0, ii0, zr1, zi1, rr1, ii1 float64
	for range iterations {
		zi0, zi1 = float64(2*zr0*zi0)+ci, float64(2*zr1*zi1)+ci
		zr0, zr1 = rr0-ii0+cr0, rr1-ii1+cr1
		rr0, rr1 = float64(zr0*zr0), float64(zr1*zr1)
		ii0, ii1 = float64(zi0*zi0), float64(zi1*zi1)
		// Far outside the numbers end as infinities and as NaN, which is not within 4 either.
		if !(rr0+ii0 <= 4) && !(rr1+ii1 <= 4) {
			return 0, 0
		}
	}
	if rr0+ii0 <= 4 {
		left = 1
	}
	if rr1+ii1 <= 4 {
		right = 1
	}
	return left, right
}

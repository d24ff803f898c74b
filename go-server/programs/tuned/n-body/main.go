// Command n-body moves the Sun and the four giant planets for n steps of a hundredth of a year, and
// prints the energy of the system before and after, which should hardly change.
//
// Every step needs the one before: it runs on one core. All the distances of a step are known before
// the first velocity changes, so that square roots overlap; two pairs of bodies share a division.
// The time goes into those roots and divisions nevertheless.
package main

import (
	"fmt"
	"io"
	"math"

	"duet/go-server/programs/internal/cli"
)

func main() { cli.Main("n-body", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 0, 10_000_000_000)
	if err != nil {
		return err
	}
	bodies := solarSystem()
	before := bodies.energy()
	for range n {
		bodies.advance()
	}
	_, err = fmt.Fprintf(stdout, "%.9f\n%.9f\n", before, bodies.energy())
	return err
}

const (
	timeStep    = 0.01
	solarMass   = 4 * math.Pi * math.Pi
	daysPerYear = 365.24
)

// A body has its position in astronomical units, its velocity in those a year.
type body struct {
	x, y, z    float64
	vx, vy, vz float64
	mass       float64
}

type system [5]body

// solarSystem is the Sun at rest in the middle, but for what balances the planets' momentum.
func solarSystem() system {
	bodies := system{
		{mass: 1}, // the Sun
		{ // Jupiter
			4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01,
			1.66007664274403694e-03, 7.69901118419740425e-03, -6.90460016972063023e-05,
			9.54791938424326609e-04,
		},
		{ // Saturn
			8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01,
			-2.76742510726411899e-03, 4.99852801234917238e-03, 2.30417297573763929e-05,
			2.85885980666130812e-04,
		},
		{ // Uranus
			1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01,
			2.96460137564761618e-03, 2.37847173959480950e-03, -2.96589568540237556e-05,
			4.36624404335156298e-05,
		},
		{ // Neptune
			1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01,
			2.68067772490389322e-03, 1.62824170038242295e-03, -9.51592254519715870e-05,
			5.15138902046611451e-05,
		},
	}
	sun := &bodies[0]
	for i := range bodies {
		b := &bodies[i]
		b.vx, b.vy, b.vz = b.vx*daysPerYear, b.vy*daysPerYear, b.vz*daysPerYear
		b.mass *= solarMass
		sun.vx -= b.vx * b.mass / solarMass
		sun.vy -= b.vy * b.mass / solarMass
		sun.vz -= b.vz * b.mass / solarMass
	}
	return bodies
}

// energy is kinetic less potential.
func (s *system) energy() float64 {
	var sum float64
	for i, b := range s {
		sum += b.mass * (b.vx*b.vx + b.vy*b.vy + b.vz*b.vz) / 2
		for _, c := range s[i+1:] {
			dx, dy, dz := b.x-c.x, b.y-c.y, b.z-c.z
			sum -= b.mass * c.mass / math.Sqrt(dx*dx+dy*dy+dz*dz)
		}
	}
	return sum
}

// pairs is how many pairs of bodies there are.
const pairs = 10

// advance lets each pair of bodies attract each other, then moves all of them for one time step.
func (s *system) advance() {
	var dx, dy, dz [pairs]float64
	k := 0
	for i := range s {
		b := &s[i]
		for j := i + 1; j < len(s); j++ {
			c := &s[j]
			dx[k], dy[k], dz[k] = b.x-c.x, b.y-c.y, b.z-c.z
			k++
		}
	}
	var magnitude [pairs]float64 // the time step over the cube of the distance
	for k := 0; k < pairs; k += 2 {
		a := dx[k]*dx[k] + dy[k]*dy[k] + dz[k]*dz[k]
		b := dx[k+1]*dx[k+1] + dy[k+1]*dy[k+1] + dz[k+1]*dz[k+1]
		a *= math.Sqrt(a)
		b *= math.Sqrt(b)
		both := timeStep / (a * b)
		magnitude[k], magnitude[k+1] = both*b, both*a
	}
	k = 0
	for i := range s {
		b := &s[i]
		vx, vy, vz := b.vx, b.vy, b.vz
		for j := i + 1; j < len(s); j++ {
			c := &s[j]
			ofB, ofC := b.mass*magnitude[k], c.mass*magnitude[k]
			vx -= dx[k] * ofC
			vy -= dy[k] * ofC
			vz -= dz[k] * ofC
			c.vx += dx[k] * ofB
			c.vy += dy[k] * ofB
			c.vz += dz[k] * ofB
			k++
		}
		b.vx, b.vy, b.vz = vx, vy, vz
		// No pair that is still to come has b in it.
		b.x += timeStep * vx
		b.y += timeStep * vy
		b.z += timeStep * vz
	}
}

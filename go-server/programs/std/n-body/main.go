// Command n-body moves the Sun and the four giant planets for n steps of a hundredth of a year, and
// prints the energy of the system before and after, which should hardly change.
//
// Every step needs the one before: it runs on one core. The time goes into a square root and a
// division for each of the ten pairs of bodies, one after the other.
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

// advance lets each pair of bodies attract each other, then moves all of them for one time step.
func (s *system) advance() {
	for i := range s {
		b := &s[i]
		vx, vy, vz := b.vx, b.vy, b.vz
		for j := i + 1; j < len(s); j++ {
			c := &s[j]
			dx, dy, dz := b.x-c.x, b.y-c.y, b.z-c.z
			squared := dx*dx + dy*dy + dz*dz
			magnitude := timeStep / (squared * math.Sqrt(squared))
			vx -= dx * c.mass * magnitude
			vy -= dy * c.mass * magnitude
			vz -= dz * c.mass * magnitude
			c.vx += dx * b.mass * magnitude
			c.vy += dy * b.mass * magnitude
			c.vz += dz * b.mass * magnitude
		}
		b.vx, b.vy, b.vz = vx, vy, vz
	}
	for i := range s {
		b := &s[i]
		b.x += timeStep * b.vx
		b.y += timeStep * b.vy
		b.z += timeStep * b.vz
	}
}

//! n-body: the orbits of the Sun and the four giant planets, and what energy they seem to have
//! after n steps.
//!
//! The bodies lie side by side in arrays of eight, of which the compiler makes vector instructions;
//! the last three have no mass. In a ring of five any two are one or two places apart, so a step is
//! twice the same: every body with the one so many places on. Each step needs the one before: one
//! thread. The time goes into the wait for square roots and divisions.
//!
//! Build flags: target-cpu=x86-64-v3, LTO, codegen-units=1, panic=abort.

#![forbid(unsafe_code)]

use std::array;
use std::f64::consts::PI;
use std::io::{self, Write};
use std::process::ExitCode;

use rust_programs::Output;

const STEP: f64 = 0.01;
const SOLAR_MASS: f64 = 4.0 * PI * PI;
const DAYS_PER_YEAR: f64 = 365.24;

const BODIES: usize = 5;
const LANES: usize = 8;

type Lanes = [f64; LANES];

/// Position in astronomical units, velocity in those per year, mass such that gravity's constant
/// is 1.
struct Body {
    position: [f64; 3],
    velocity: [f64; 3],
    mass: f64,
}

/// The bodies by axis.
struct System {
    position: [Lanes; 3],
    velocity: [Lanes; 3],
    mass: Lanes,
}

impl System {
    /// Those without mass are at rest, and no two at the same place.
    fn new(bodies: &[Body; BODIES]) -> System {
        System {
            position: array::from_fn(|axis| lanes(bodies, 1.0, |body| body.position[axis])),
            velocity: array::from_fn(|axis| lanes(bodies, 0.0, |body| body.velocity[axis])),
            mass: lanes(bodies, 0.0, |body| body.mass),
        }
    }

    fn advance(&mut self) {
        self.attract(1);
        self.attract(2);
        for (position, velocity) in self.position.iter_mut().zip(&self.velocity) {
            for (position, velocity) in position.iter_mut().zip(velocity) {
                *position += STEP * velocity;
            }
        }
    }

    /// Lets every body and the one so many places on attract each other.
    #[inline(always)] // with a constant in `places` lanes are moved by single instructions
    fn attract(&mut self, places: usize) {
        let distance: [Lanes; 3] = self.position.map(|axis| {
            let other = ahead(&axis, places);
            array::from_fn(|i| axis[i] - other[i])
        });
        let magnitude: Lanes = array::from_fn(|i| {
            let squared = square(distance.map(|axis| axis[i]));
            STEP / (squared * squared.sqrt())
        });
        let other_mass = ahead(&self.mass, places);
        for (velocity, distance) in self.velocity.iter_mut().zip(&distance) {
            let pull: Lanes = array::from_fn(|i| distance[i] * magnitude[i]);
            let pull_of_body = array::from_fn(|i| pull[i] * self.mass[i]);
            // Ahead by all the other places is back where the pull comes from.
            let pull_on_other = ahead(&pull_of_body, BODIES - places);
            for i in 0..LANES {
                velocity[i] += pull_on_other[i] - pull[i] * other_mass[i];
            }
        }
    }

    fn energy(&self) -> f64 {
        let mut energy = 0.0;
        for i in 0..BODIES {
            energy += 0.5 * self.mass[i] * square(self.velocity.map(|axis| axis[i]));
            for j in i + 1..BODIES {
                let distance = square(self.position.map(|axis| axis[i] - axis[j])).sqrt();
                energy -= self.mass[i] * self.mass[j] / distance;
            }
        }
        energy
    }
}

/// The bodies' values, then multiples of `rest`.
fn lanes(bodies: &[Body; BODIES], rest: f64, of: impl Fn(&Body) -> f64) -> Lanes {
    array::from_fn(|i| bodies.get(i).map_or(rest * i as f64, &of))
}

/// What stands so many places on in the ring of the bodies, and in that of the lanes left over.
fn ahead(lanes: &Lanes, places: usize) -> Lanes {
    array::from_fn(|i| {
        let (ring, length) = if i < BODIES { (0, BODIES) } else { (BODIES, LANES - BODIES) };
        lanes[ring + (i - ring + places) % length]
    })
}

fn square(vector: [f64; 3]) -> f64 {
    vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]
}

fn main() -> ExitCode {
    rust_programs::with_number("n-body", 0..=10_000_000_000, n_body)
}

fn n_body(n: usize, out: &mut Output) -> io::Result<()> {
    let mut system = System::new(&solar_system());
    writeln!(out, "{:.9}", system.energy())?;
    for _ in 0..n {
        system.advance();
    }
    writeln!(out, "{:.9}", system.energy())
}

/// The Sun, Jupiter, Saturn, Uranus and Neptune; the Sun moves so that all momenta cancel.
#[expect(clippy::excessive_precision, reason = "the digits as published")]
fn solar_system() -> [Body; 5] {
    let planet = |position, velocity: [f64; 3], mass| Body {
        position,
        velocity: velocity.map(|per_day| per_day * DAYS_PER_YEAR),
        mass: mass * SOLAR_MASS,
    };
    let mut bodies = [
        planet([0.0; 3], [0.0; 3], 1.0),
        planet(
            [4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01],
            [1.66007664274403694e-03, 7.69901118419740425e-03, -6.90460016972063023e-05],
            9.54791938424326609e-04,
        ),
        planet(
            [8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01],
            [-2.76742510726411899e-03, 4.99852801234917238e-03, 2.30417297573763929e-05],
            2.85885980666130812e-04,
        ),
        planet(
            [1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01],
            [2.96460137564761618e-03, 2.37847173959480950e-03, -2.96589568540237556e-05],
            4.36624404335156298e-05,
        ),
        planet(
            [1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01],
            [2.68067772490389322e-03, 1.62824170038242295e-03, -9.51592254519715870e-05],
            5.15138902046611451e-05,
        ),
    ];
    bodies[0].velocity = array::from_fn(|axis| {
        let momentum: f64 = bodies.iter().map(|body| body.velocity[axis] * body.mass).sum();
        -momentum / SOLAR_MASS
    });
    bodies
}

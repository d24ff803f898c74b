//! n-body: the orbits of the Sun and the four giant planets, and what energy they seem to have
//! after n steps.
//!
//! Each step needs the one before, and ten pairs of bodies are too little to share out: one thread.
//! The time goes into a chain of a square root and divisions per step, and into moving the results
//! of the ten pairs, which do not depend on each other, into five sums, which do.

use std::array;
use std::f64::consts::PI;
use std::io::{self, Write};
use std::process::ExitCode;

use rust_programs::Output;

const STEP: f64 = 0.01;
const SOLAR_MASS: f64 = 4.0 * PI * PI;
const DAYS_PER_YEAR: f64 = 365.24;

/// Position in astronomical units, velocity in those per year, mass such that gravity's constant
/// is 1.
struct Body {
    position: [f64; 3],
    velocity: [f64; 3],
    mass: f64,
}

fn main() -> ExitCode {
    rust_programs::with_number("n-body", 0..=10_000_000_000, n_body)
}

fn n_body(n: usize, out: &mut Output) -> io::Result<()> {
    let mut bodies = solar_system();
    writeln!(out, "{:.9}", energy(&bodies))?;
    for _ in 0..n {
        advance(&mut bodies);
    }
    writeln!(out, "{:.9}", energy(&bodies))
}

fn advance(bodies: &mut [Body; 5]) {
    for i in 0..bodies.len() {
        for j in i + 1..bodies.len() {
            let distance = difference(&bodies[i].position, &bodies[j].position);
            let squared = square(&distance);
            let magnitude = STEP / (squared * squared.sqrt());
            let (pull_of_j, pull_of_i) = (bodies[j].mass * magnitude, bodies[i].mass * magnitude);
            for (axis, distance) in distance.into_iter().enumerate() {
                bodies[i].velocity[axis] -= distance * pull_of_j;
                bodies[j].velocity[axis] += distance * pull_of_i;
            }
        }
    }
    for body in bodies {
        for axis in 0..3 {
            body.position[axis] += STEP * body.velocity[axis];
        }
    }
}

fn energy(bodies: &[Body; 5]) -> f64 {
    let mut energy = 0.0;
    for (i, body) in bodies.iter().enumerate() {
        energy += 0.5 * body.mass * square(&body.velocity);
        for other in &bodies[i + 1..] {
            let distance = square(&difference(&body.position, &other.position)).sqrt();
            energy -= body.mass * other.mass / distance;
        }
    }
    energy
}

fn difference(a: &[f64; 3], b: &[f64; 3]) -> [f64; 3] {
    array::from_fn(|axis| a[axis] - b[axis])
}

fn square(vector: &[f64; 3]) -> f64 {
    vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]
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

//! fasta: write three DNA sequences, one by repeating a string, two by weighted random choice.
//!
//! The random numbers are a chain, each made from the one before. But k steps of the generator are
//! again a step of the same form (an affine map, found by repeated squaring). So thirty-two
//! generators run side by side, which the compiler turns into vector instructions, and every block
//! of lines can begin at its own place in the chain: threads fill blocks, and the blocks are
//! written in order. The time goes into choosing the letters: a comparison for every weight.
//!
//! Build flags: target-cpu=x86-64-v3, LTO, codegen-units=1, panic=abort.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use rust_programs::Output;

const LINE: usize = 60;
/// A multiple of `LANES`. Handing over a block costs two switches between threads: it should be
/// long.
const BLOCK: usize = 2048 * LINE;
const LANES: usize = 32;

const ALU: &[u8] = b"GGCCGGGCGCGGTGGCTCACGCCTGTAATCCCAGCACTTTGGGAGGCCGAGGCGGGCGGATCACCTGAGG\
TCAGGAGTTCGAGACCAGCCTGGCCAACATGGTGAAACCCCGTCTCTACTAAAAATACAAAAATTAGCCGGGCGTGGTGGCGCGCGCCTGTAATCCCAG\
CTACTCGGGAGGCTGAGGCAGGAGAATCGCTTGAACCCGGGAGGCGGAGGTTGCAGTGAGCCGAGATCGCGCCACTGCACTCCAGCCTGGGCGACAGAG\
CGAGACTCCGTCTCAAAAA";

const IUB: [(u8, f64); 15] = [
    (b'a', 0.27),
    (b'c', 0.12),
    (b'g', 0.12),
    (b't', 0.27),
    (b'B', 0.02),
    (b'D', 0.02),
    (b'H', 0.02),
    (b'K', 0.02),
    (b'M', 0.02),
    (b'N', 0.02),
    (b'R', 0.02),
    (b'S', 0.02),
    (b'V', 0.02),
    (b'W', 0.02),
    (b'Y', 0.02),
];

const HOMO_SAPIENS: [(u8, f64); 4] = [
    (b'a', 0.3029549426680),
    (b'c', 0.1979883004921),
    (b'g', 0.1975473066391),
    (b't', 0.3015094502008),
];

/// The linear congruential generator that the problem prescribes, as `LANES` generators side by
/// side, each of which takes `LANES` steps at a time. Numbers are exact: none reaches 2^53.
struct Random {
    seeds: [f64; LANES],
    factor: f64,
    increment: f64,
}

impl Random {
    const SEED: f64 = 42.0;
    const MODULUS: f64 = 139_968.0;
    const FACTOR: f64 = 3_877.0;
    const INCREMENT: f64 = 29_573.0;

    /// The generator as it is after `used` numbers.
    fn after(used: usize) -> Random {
        let (factor, increment) = Random::steps(used);
        let mut seed = Random::step(Random::SEED, factor, increment);
        let seeds = [(); LANES].map(|()| {
            seed = Random::step(seed, Random::FACTOR, Random::INCREMENT);
            seed
        });
        let (factor, increment) = Random::steps(LANES);
        Random { seeds, factor, increment }
    }

    /// Factor and increment of so many steps at once.
    fn steps(mut steps: usize) -> (f64, f64) {
        let (mut all, mut power) = ((1.0, 0.0), (Random::FACTOR, Random::INCREMENT));
        while steps > 0 {
            if steps % 2 == 1 {
                all = Random::compose(all, power);
            }
            power = Random::compose(power, power);
            steps /= 2;
        }
        all
    }

    fn compose(first: (f64, f64), second: (f64, f64)) -> (f64, f64) {
        (Random::step(first.0, second.0, 0.0), Random::step(first.1, second.0, second.1))
    }

    /// The half keeps the rounding of the quotient away from whole numbers.
    fn step(seed: f64, factor: f64, increment: f64) -> f64 {
        let grown = seed * factor + increment;
        grown - ((grown + 0.5) * (1.0 / Random::MODULUS)).floor() * Random::MODULUS
    }

    /// The next numbers, as multiples of 1 / `MODULUS`.
    fn next(&mut self) -> [f64; LANES] {
        let seeds = self.seeds;
        self.seeds = seeds.map(|seed| Random::step(seed, self.factor, self.increment));
        seeds
    }
}

fn main() -> ExitCode {
    rust_programs::with_number("fasta", 0..=1_000_000_000, fasta)
}

fn fasta(n: usize, out: &mut Output) -> io::Result<()> {
    let repeated = ALU.repeat(1 + BLOCK.div_ceil(ALU.len()));
    writeln!(out, ">ONE Homo sapiens alu")?;
    write_sequence(2 * n, out, |start, letters| {
        letters.copy_from_slice(&repeated[start % ALU.len()..][..BLOCK]);
    })?;

    writeln!(out, ">TWO IUB ambiguity codes")?;
    write_sequence(3 * n, out, |start, letters| fill(letters, &IUB, Random::after(start)))?;

    writeln!(out, ">THREE Homo sapiens frequency")?;
    let used = 3 * n;
    write_sequence(5 * n, out, |start, letters| {
        fill(letters, &HOMO_SAPIENS, Random::after(used + start));
    })
}

/// Chooses letters by their weights: the first whose cumulative weight is above the random number.
fn fill<const N: usize>(letters: &mut [u8; BLOCK], weights: &[(u8, f64); N], mut random: Random) {
    let mut sum = 0.0;
    let bounds = weights.map(|(_, weight)| {
        sum += weight;
        sum * Random::MODULUS
    });
    for lanes in letters.as_chunks_mut::<LANES>().0 {
        let values = random.next();
        // A linear search that stops for nobody: the last assignment is the letter.
        let mut chosen = [u64::from(weights[0].0); LANES];
        for (bound, (letter, _)) in bounds.iter().zip(&weights[1..]) {
            for (value, chosen) in values.iter().zip(&mut chosen) {
                *chosen = if value >= bound { u64::from(*letter) } else { *chosen };
            }
        }
        *lanes = chosen.map(|letter| letter as u8);
    }
}

/// Writes `length` letters in lines. `fill` makes the letters of a block from the index on where it
/// begins.
fn write_sequence(
    length: usize,
    out: &mut Output,
    fill: impl Fn(usize, &mut [u8; BLOCK]) + Sync,
) -> io::Result<()> {
    let fill = &fill;
    let blocks = length.div_ceil(BLOCK);
    let threads = rust_programs::cores().min(blocks);
    thread::scope(|scope| {
        let filled: Vec<_> = (0..threads)
            .map(|first| {
                let (sender, receiver) = mpsc::sync_channel(1);
                scope.spawn(move || {
                    let mut letters = [0; BLOCK];
                    for start in (0..length).step_by(BLOCK).skip(first).step_by(threads) {
                        fill(start, &mut letters);
                        let lines = lines(&letters[..BLOCK.min(length - start)]);
                        // Nobody receives once writing has failed.
                        if sender.send(lines).is_err() {
                            break;
                        }
                    }
                });
                receiver
            })
            .collect();
        filled.iter().cycle().take(blocks).try_for_each(|receiver| {
            out.write_all(&receiver.recv().expect("every thread fills its share of the blocks"))
        })
    })
}

fn lines(letters: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(letters.len() + letters.len().div_ceil(LINE));
    for line in letters.chunks(LINE) {
        lines.extend_from_slice(line);
        lines.push(b'\n');
    }
    lines
}

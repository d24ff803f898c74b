//! fasta: write three DNA sequences, one by repeating a string, two by weighted random choice.
//!
//! The random numbers are a chain, each made from the one before. But k steps of the generator are
//! again a step of the same form (an affine map, found by repeated squaring), so every block of
//! lines can begin at its own place in the chain: threads fill blocks, and the blocks are written
//! in order. The time goes into the search for the letter that a number stands for, whose branches
//! nobody can predict.

use std::io::{self, Write};
use std::iter;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use rust_programs::Output;

const LINE: usize = 60;
const BLOCK: usize = 1024 * LINE;

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

/// The linear congruential generator that the problem prescribes.
struct Random {
    seed: u32,
}

impl Random {
    const SEED: u32 = 42;
    const MODULUS: u32 = 139_968;
    const FACTOR: u32 = 3_877;
    const INCREMENT: u32 = 29_573;

    /// The generator as it is after `steps` numbers.
    fn after(mut steps: usize) -> Random {
        let modulus = u64::from(Random::MODULUS);
        let (mut factor, mut increment) = (u64::from(Random::FACTOR), u64::from(Random::INCREMENT));
        let mut seed = u64::from(Random::SEED);
        while steps > 0 {
            if steps % 2 == 1 {
                seed = (seed * factor + increment) % modulus;
            }
            increment = (increment * factor + increment) % modulus;
            factor = factor * factor % modulus;
            steps /= 2;
        }
        Random { seed: seed as u32 }
    }

    /// A number from 0 up to, not including, 1.
    fn next(&mut self) -> f64 {
        self.seed = (self.seed * Random::FACTOR + Random::INCREMENT) % Random::MODULUS;
        f64::from(self.seed) / f64::from(Random::MODULUS)
    }
}

fn main() -> ExitCode {
    rust_programs::with_number("fasta", 0..=1_000_000_000, fasta)
}

fn fasta(n: usize, out: &mut Output) -> io::Result<()> {
    writeln!(out, ">ONE Homo sapiens alu")?;
    write_sequence(2 * n, out, |start| ALU.iter().copied().cycle().skip(start % ALU.len()))?;

    writeln!(out, ">TWO IUB ambiguity codes")?;
    write_sequence(3 * n, out, |start| random_letters(&IUB, Random::after(start)))?;

    writeln!(out, ">THREE Homo sapiens frequency")?;
    let used = 3 * n;
    write_sequence(5 * n, out, |start| random_letters(&HOMO_SAPIENS, Random::after(used + start)))
}

/// Letters chosen by their weights: the first whose cumulative weight is above the random number.
fn random_letters<const N: usize>(
    weights: &[(u8, f64); N],
    mut random: Random,
) -> impl Iterator<Item = u8> {
    let letters = weights.map(|(letter, _)| letter);
    let mut sum = 0.0;
    let bounds = weights.map(|(_, weight)| {
        sum += weight;
        sum
    });
    iter::repeat_with(move || {
        let value = random.next();
        letters[bounds.iter().position(|bound| value < *bound).unwrap_or(N - 1)]
    })
}

/// Writes `length` letters in lines. `letters_from` gives the letters that begin at an index.
fn write_sequence<I: Iterator<Item = u8>>(
    length: usize,
    out: &mut Output,
    letters_from: impl Fn(usize) -> I + Sync,
) -> io::Result<()> {
    let letters_from = &letters_from;
    let blocks = length.div_ceil(BLOCK);
    let threads = rust_programs::cores().min(blocks);
    thread::scope(|scope| {
        let filled: Vec<_> = (0..threads)
            .map(|first| {
                let (sender, receiver) = mpsc::sync_channel(1);
                scope.spawn(move || {
                    for start in (0..length).step_by(BLOCK).skip(first).step_by(threads) {
                        let lines = lines(letters_from(start), BLOCK.min(length - start));
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

fn lines(mut letters: impl Iterator<Item = u8>, length: usize) -> Vec<u8> {
    let mut lines = Vec::with_capacity(length + length.div_ceil(LINE));
    for start in (0..length).step_by(LINE) {
        lines.extend(letters.by_ref().take(LINE.min(length - start)));
        lines.push(b'\n');
    }
    lines
}

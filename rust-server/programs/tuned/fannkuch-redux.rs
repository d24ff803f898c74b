//! fannkuch-redux: for every permutation of 1..n, count how often the first f elements must be
//! reversed, f being the first element, until a 1 leads.
//!
//! A permutation is sixteen half bytes of an integer. Reversing a prefix is then to reverse the
//! whole (bytes, then the halves of each) and to shift what was not wanted out; no length to
//! predict. Thirty-two permutations are flipped side by side, which the compiler turns into vector
//! instructions, until the last is done; a flip of one that is done changes nothing. rayon shares
//! out blocks. Two thirds of the time go into flips, a third into making the permutations.
//!
//! Build flags: target-cpu=x86-64-v3, LTO, codegen-units=1, panic=abort.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use rayon::prelude::*;
use rust_programs::Output;

const MAX_N: usize = 16;
const LANES: usize = 32;
/// A multiple of `LANES`.
const BLOCK: usize = 1 << 16;

/// A permutation of 0..n, the first element in the lowest half byte, and how often each of its
/// prefixes has been rotated since the identity.
struct Permutation {
    n: usize,
    elements: u64,
    rotations: [u8; MAX_N],
}

impl Permutation {
    const IDENTITY: u64 = 0xfedc_ba98_7654_3210;

    /// The permutation at `index` of the order, whose digits in the factorial number system are the
    /// rotations.
    fn at(mut index: usize, n: usize) -> Permutation {
        let (elements, rotations) = (Permutation::IDENTITY, [0; MAX_N]);
        let mut permutation = Permutation { n, elements, rotations };
        for last in (1..n).rev() {
            let below = factorial(last);
            for _ in 0..index / below {
                permutation.rotate(last);
            }
            index %= below;
        }
        permutation
    }

    /// Moves the first element to the place `last`, those up to there one place forward.
    fn rotate(&mut self, last: usize) {
        let beyond = !0xf << (4 * last);
        let moved = (self.elements & !beyond) >> 4 | (self.elements & 0xf) << (4 * last);
        self.elements = self.elements & beyond | moved;
        self.rotations[last] += 1;
    }
}

impl Iterator for Permutation {
    type Item = u64;

    /// The permutation, and on to the one after it; past the last one it is the first again.
    fn next(&mut self) -> Option<u64> {
        let elements = self.elements;
        for last in 1..self.n {
            self.rotate(last);
            if usize::from(self.rotations[last]) <= last {
                break;
            }
            self.rotations[last] = 0;
        }
        Some(elements)
    }
}

/// Reverses the elements from the first to the one whose index is the first.
fn flip(elements: u64) -> u64 {
    const LOW_HALVES: u64 = 0x0f0f_0f0f_0f0f_0f0f;
    let last = elements & 0xf;
    let bytes = elements.swap_bytes();
    let reversed = (bytes & LOW_HALVES) << 4 | bytes >> 4 & LOW_HALVES;
    elements & (!0xf << (4 * last)) | reversed >> (60 - 4 * last)
}

fn flips(mut lanes: [u64; LANES]) -> [i64; LANES] {
    let mut flips = [0; LANES];
    loop {
        let mut going_on = 0;
        for (elements, flips) in lanes.iter_mut().zip(&mut flips) {
            going_on |= *elements & 0xf;
            *flips += i64::from(*elements & 0xf != 0);
            *elements = flip(*elements);
        }
        if going_on == 0 {
            return flips;
        }
    }
}

fn main() -> ExitCode {
    rust_programs::with_number("fannkuch-redux", 1..=MAX_N, fannkuch)
}

fn fannkuch(n: usize, out: &mut Output) -> io::Result<()> {
    let total = factorial(n);
    let (checksum, max_flips) = (0..total.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| count(n, block * BLOCK, BLOCK.min(total - block * BLOCK)))
        .reduce(|| (0, 0), |(sum, max), (checksum, flips)| (sum + checksum, max.max(flips)));
    writeln!(out, "{checksum}\nPfannkuchen({n}) = {max_flips}")
}

/// Checksum and most flips of `length` permutations from the index `start`, which is even.
fn count(n: usize, start: usize, length: usize) -> (i64, i64) {
    let mut permutations = Permutation::at(start, n).take(length);
    let (mut sums, mut max) = ([0; LANES], [0; LANES]);
    for _ in 0..length.div_ceil(LANES) {
        // The identity needs no flips, so it can stand for what is missing at the end.
        let lanes = [(); LANES].map(|()| permutations.next().unwrap_or(Permutation::IDENTITY));
        let flips = flips(lanes);
        for i in 0..LANES {
            sums[i] += flips[i];
            max[i] = max[i].max(flips[i]);
        }
    }
    let checksum = sums.chunks(2).map(|pair| pair[0] - pair[1]).sum();
    (checksum, max.into_iter().max().unwrap_or(0))
}

fn factorial(n: usize) -> usize {
    (1..=n).product()
}

//! fannkuch-redux: for every permutation of 1..n, count how often the first f elements must be
//! reversed, f being the first element, until a 1 leads.
//!
//! The permutations have a fixed order in which any one can be found from its index, so rayon
//! shares out blocks of consecutive indices. The time goes into the reversals: short copies whose
//! length nobody can predict.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use rayon::prelude::*;
use rust_programs::Output;

const MAX_N: usize = 16;
/// Even, so that every block begins with a permutation whose flips are added.
const BLOCK: usize = 1 << 16;

/// A permutation of 0..n (one less than in the problem: an element is then also an index), and how
/// often each of its prefixes has been rotated since the identity.
struct Permutation {
    n: usize,
    elements: [u8; MAX_N],
    rotations: [usize; MAX_N],
}

impl Permutation {
    /// The permutation at `index` of the order, whose digits in the factorial number system are the
    /// rotations.
    fn at(mut index: usize, n: usize) -> Permutation {
        let mut permutation = Permutation { n, elements: [0; MAX_N], rotations: [0; MAX_N] };
        for (i, element) in permutation.elements.iter_mut().enumerate() {
            *element = i as u8;
        }
        for last in (1..n).rev() {
            let below = factorial(last);
            permutation.rotations[last] = index / below;
            permutation.elements[..=last].rotate_left(index / below);
            index %= below;
        }
        permutation
    }

    /// Moves on to the next permutation; past the last one it is the first again.
    fn advance(&mut self) {
        for last in 1..self.n {
            let first = self.elements[0];
            self.elements.copy_within(1..=last, 0);
            self.elements[last] = first;
            self.rotations[last] += 1;
            if self.rotations[last] <= last {
                break;
            }
            self.rotations[last] = 0;
        }
    }

    fn flips(&self) -> i64 {
        let mut elements = self.elements;
        // The first element is kept here: a flip puts it where the next one comes from.
        let mut first = usize::from(elements[0]);
        let mut flips = 0;
        while first != 0 {
            let next = usize::from(elements[first]);
            elements[first] = first as u8;
            elements[1..first].reverse();
            first = next;
            flips += 1;
        }
        flips
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
    let mut permutation = Permutation::at(start, n);
    let (mut checksum, mut max_flips) = (0, 0);
    for index in 0..length {
        let flips = permutation.flips();
        checksum += if index % 2 == 0 { flips } else { -flips };
        max_flips = max_flips.max(flips);
        permutation.advance();
    }
    (checksum, max_flips)
}

fn factorial(n: usize) -> usize {
    (1..=n).product()
}

//! pidigits: the first n digits of π, by a spigot that emits each digit as soon as it is certain.
//!
//! The state is a fraction of three big integers that grow with every term. A digit is certain when
//! two extractions with neighbouring bounds agree. Each term needs the one before, and a term costs
//! microseconds: one thread. The time goes into multiplying big integers by small ones and into the
//! two divisions, so it grows with the square of n.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use num_bigint::BigInt;
use rust_programs::Output;

const LINE: usize = 10;

/// The terms of π so far, composed: numerator, accumulator, denominator. The accumulator is
/// negative at times.
struct Spigot {
    term: u64,
    numerator: BigInt,
    accumulator: BigInt,
    denominator: BigInt,
    /// Kept for its memory only.
    scratch: BigInt,
}

impl Spigot {
    fn new() -> Spigot {
        let (zero, one) = (BigInt::ZERO, BigInt::from(1));
        Spigot {
            term: 0,
            numerator: one.clone(),
            accumulator: zero.clone(),
            denominator: one,
            scratch: zero,
        }
    }

    fn next_digit(&mut self) -> u64 {
        loop {
            self.consume_term();
            if self.numerator > self.accumulator {
                continue;
            }
            let digit = self.extract(3);
            if digit == self.extract(4) {
                self.produce(digit);
                return digit;
            }
        }
    }

    fn consume_term(&mut self) {
        self.term += 1;
        let odd = 2 * self.term + 1;
        self.accumulator += &self.numerator;
        self.accumulator += &self.numerator;
        self.accumulator *= odd;
        self.denominator *= odd;
        self.numerator *= self.term;
    }

    fn extract(&mut self, bound: u64) -> u64 {
        self.scratch.clone_from(&self.numerator);
        self.scratch *= bound;
        self.scratch += &self.accumulator;
        let quotient = &self.scratch / &self.denominator;
        quotient.try_into().expect("it is less than twenty")
    }

    fn produce(&mut self, digit: u64) {
        self.scratch.clone_from(&self.denominator);
        self.scratch *= digit;
        self.accumulator -= &self.scratch;
        self.accumulator *= 10_u64;
        self.numerator *= 10_u64;
    }
}

fn main() -> ExitCode {
    rust_programs::with_number("pidigits", 0..=1_000_000, pidigits)
}

fn pidigits(n: usize, out: &mut Output) -> io::Result<()> {
    let mut spigot = Spigot::new();
    for start in (0..n).step_by(LINE) {
        let end = n.min(start + LINE);
        let digit = |_| char::from(b'0' + spigot.next_digit() as u8);
        let digits: String = (start..end).map(digit).collect();
        writeln!(out, "{digits:LINE$}\t:{end}")?;
    }
    Ok(())
}

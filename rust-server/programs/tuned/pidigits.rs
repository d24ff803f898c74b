//! pidigits: the first n digits of π, by a spigot that emits each digit as soon as it is certain.
//!
//! The state is a fraction of three big integers that grow with every term. A digit is certain when
//! two extractions with neighbouring bounds agree. Each term needs the one before, and a term costs
//! microseconds: one thread. The time goes into multiplying big integers by small ones and into the
//! two divisions, so it grows with the square of n.
//!
//! The source is the idiomatic one but for the crate: dashu-int divides in place and allocates less
//! than num-bigint.
//!
//! Build flags: target-cpu=native, LTO, codegen-units=1, panic=abort.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use dashu_int::IBig;
use rust_programs::Output;

const LINE: usize = 10;

/// The terms of π so far, composed: numerator, accumulator, denominator.
struct Spigot {
    term: u64,
    numerator: IBig,
    accumulator: IBig,
    denominator: IBig,
}

impl Spigot {
    fn new() -> Spigot {
        let (zero, one) = (IBig::ZERO, IBig::ONE);
        Spigot { term: 0, numerator: one.clone(), accumulator: zero, denominator: one }
    }

    fn next_digit(&mut self) -> IBig {
        loop {
            self.consume_term();
            if self.numerator > self.accumulator {
                continue;
            }
            let digit = self.extract(3);
            if digit == self.extract(4) {
                self.produce(&digit);
                return digit;
            }
        }
    }

    fn consume_term(&mut self) {
        self.term += 1;
        let odd = 2 * self.term + 1;
        self.accumulator += &self.numerator << 1;
        self.accumulator *= odd;
        self.denominator *= odd;
        self.numerator *= self.term;
    }

    fn extract(&self, bound: u64) -> IBig {
        (&self.numerator * bound + &self.accumulator) / &self.denominator
    }

    fn produce(&mut self, digit: &IBig) {
        self.accumulator -= &self.denominator * digit;
        self.accumulator *= 10u64;
        self.numerator *= 10u64;
    }
}

fn main() -> ExitCode {
    rust_programs::with_number("pidigits", 0..=1_000_000, pidigits)
}

fn pidigits(n: usize, out: &mut Output) -> io::Result<()> {
    let mut spigot = Spigot::new();
    for start in (0..n).step_by(LINE) {
        let end = n.min(start + LINE);
        let digits: String = (start..end).map(|_| spigot.next_digit().to_string()).collect();
        writeln!(out, "{digits:LINE$}\t:{end}")?;
    }
    Ok(())
}

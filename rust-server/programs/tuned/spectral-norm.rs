//! spectral-norm: the spectral norm of the infinite matrix 1, 1/2, 1/4 … by the power method.
//!
//! The matrix is never stored; each of its elements is computed forty times. Sixteen neighbouring
//! rows are summed side by side, so that the compiler makes vector instructions of it without
//! changing the order of any sum; the indices are kept as floating-point numbers, which are exact
//! here. rayon shares out the rows. The time goes into the division in `element`.
//!
//! Build flags: target-cpu=x86-64-v3, LTO, codegen-units=1, panic=abort.

#![forbid(unsafe_code)]

use std::array;
use std::io::{self, Write};
use std::process::ExitCode;

use rayon::prelude::*;
use rust_programs::Output;

const LANES: usize = 16;

fn main() -> ExitCode {
    rust_programs::with_number("spectral-norm", 1..=100_000, spectral_norm)
}

fn spectral_norm(n: usize, out: &mut Output) -> io::Result<()> {
    let mut u = vec![1.0; n];
    let mut v = Vec::new();
    for _ in 0..10 {
        v = multiply_at_a(&u);
        u = multiply_at_a(&v);
    }
    writeln!(out, "{:.9}", (dot(&u, &v) / dot(&v, &v)).sqrt())
}

fn element(row: f64, column: f64) -> f64 {
    let diagonal = row + column;
    1.0 / (diagonal * (diagonal + 1.0) * 0.5 + row + 1.0)
}

fn multiply_a(x: &[f64]) -> Vec<f64> {
    multiply(x, element)
}

fn multiply_at(x: &[f64]) -> Vec<f64> {
    multiply(x, |row, column| element(column, row))
}

fn multiply_at_a(x: &[f64]) -> Vec<f64> {
    multiply_at(&multiply_a(x))
}

/// The product of a matrix and `x`, its rows computed on all cores.
fn multiply(x: &[f64], element: impl Fn(f64, f64) -> f64 + Sync) -> Vec<f64> {
    let mut product = vec![0.0; x.len()];
    product.par_chunks_mut(LANES).enumerate().for_each(|(i, result)| {
        let rows: [f64; LANES] = array::from_fn(|lane| (i * LANES + lane) as f64);
        let mut sums = [0.0; LANES];
        for (column, x) in x.iter().enumerate() {
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum += element(row, column as f64) * x;
            }
        }
        result.copy_from_slice(&sums[..result.len()]);
    });
    product
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

//! spectral-norm: the spectral norm of the infinite matrix 1, 1/2, 1/4 … by the power method.
//!
//! The matrix is never stored; each of its elements is computed forty times. The rows of each of
//! the forty products are shared out evenly: equal work, and a thread is started in microseconds.
//! The time goes into the division in `element`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use rust_programs::Output;

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

fn element(row: usize, column: usize) -> f64 {
    let diagonal = row + column;
    1.0 / (diagonal * (diagonal + 1) / 2 + row + 1) as f64
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
fn multiply(x: &[f64], element: impl Fn(usize, usize) -> f64 + Sync) -> Vec<f64> {
    let mut product = vec![0.0; x.len()];
    let share = x.len().div_ceil(rust_programs::cores());
    let element = &element;
    thread::scope(|scope| {
        for (i, rows) in product.chunks_mut(share).enumerate() {
            scope.spawn(move || {
                for (row, sum) in (i * share..).zip(rows) {
                    *sum = x.iter().enumerate().map(|(column, x)| element(row, column) * x).sum();
                }
            });
        }
    });
    product
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

//! `GET /cpu?n=`: the benchmarks game's spectral-norm.
//!
//! The matrix is A(i,j) = 1 / ((i+j)(i+j+1)/2 + i + 1), of which nothing is stored. Ten steps of
//! the power method on AᵀA approach the square of its spectral norm (Challenge 3 of Trefethen's
//! "Hundred-Dollar, Hundred-Digit Challenge Problems", SIAM News, 2002).

use crate::answer::BadRequest;
use crate::decimal;

/// Largest `n`: less than a second of one core.
const N_MAX: u32 = 2_000;

/// Reads n and computes the text of the answer: the norm with 9 decimals.
pub fn text(n: &[u8]) -> Result<String, BadRequest> {
    let n = decimal::count(n, N_MAX)?;
    Ok(format!("{:.9}", spectral_norm(n as usize)))
}

fn spectral_norm(n: usize) -> f64 {
    let mut u = vec![1.0; n];
    let mut v = vec![0.0; n];
    let mut between = vec![0.0; n];
    for _ in 0..10 {
        multiply_at_a(&u, &mut between, &mut v);
        multiply_at_a(&v, &mut between, &mut u);
    }
    (dot(&u, &v) / dot(&v, &v)).sqrt()
}

/// out = AᵀA x
fn multiply_at_a(x: &[f64], between: &mut [f64], out: &mut [f64]) {
    multiply(x, between, a);
    multiply(between, out, |row, column| a(column, row));
}

fn multiply(x: &[f64], out: &mut [f64], element: impl Fn(usize, usize) -> f64) {
    for (row, sum) in out.iter_mut().enumerate() {
        *sum = x.iter().enumerate().map(|(column, x)| element(row, column) * x).sum();
    }
}

fn a(i: usize, j: usize) -> f64 {
    1.0 / ((i + j) * (i + j + 1) / 2 + i + 1) as f64
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// n = 100 is the benchmarks game's published test case; 1/1 of n = 1 needs no program.
    #[test]
    fn published_values() {
        assert_eq!(text(b"100").as_deref(), Ok("1.274219991"));
        assert_eq!(text(b"1").as_deref(), Ok("1.000000000"));
        assert_eq!(text(b"0"), Err(BadRequest));
        assert_eq!(text(b"2001"), Err(BadRequest));
    }
}

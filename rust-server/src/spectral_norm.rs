//! `GET /cpu?n=`: the benchmarks game's spectral-norm.
//!
//! The matrix is A(i,j) = 1 / ((i+j)(i+j+1)/2 + i + 1), of which nothing is stored. Ten steps of
//! the power method on AᵀA approach the square of its spectral norm (Challenge 3 of Trefethen's
//! "Hundred-Dollar, Hundred-Digit Challenge Problems", SIAM News, 2002).

use crate::number::Count;

/// Rows and columns of the matrix. The largest takes less than a second of one core.
pub type Size = Count<2_000>;

/// The norm with 9 decimals: the text of the response.
pub fn text(n: Size) -> String {
    format!("{:.9}", spectral_norm(n))
}

fn spectral_norm(n: Size) -> f64 {
    let n = n.get() as usize;
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

fn multiply(x: &[f64], out: &mut [f64], element: impl Fn(u32, u32) -> f64) {
    for (row, sum) in (0..).zip(out) {
        *sum = (0..).zip(x).map(|(column, x)| element(row, column) * x).sum();
    }
}

/// In 32 bits without a sign, as in the Go servers: the denominator is at most 8,002,000, and both
/// compilers divide it by two and convert it alike.
fn a(i: u32, j: u32) -> f64 {
    1.0 / f64::from((i + j) * (i + j + 1) / 2 + i + 1)
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
        let text = |n| text(Size::new(n).unwrap());
        assert_eq!(text(100), "1.274219991");
        assert_eq!(text(1), "1.000000000");
    }
}

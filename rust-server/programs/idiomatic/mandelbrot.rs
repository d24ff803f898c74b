//! mandelbrot: a bitmap of the points of the plane that 50 steps of z² + c leave near the origin.
//!
//! A byte of the bitmap is eight pixels, so eight points are iterated side by side in arrays, which
//! the compiler turns into vector instructions; the byte is done early when all eight have gone.
//! rayon shares out the rows, which differ in cost. All the time goes into the arithmetic of
//! `byte`.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use rayon::prelude::*;
use rust_programs::Output;

const STEPS: usize = 50;

fn main() -> ExitCode {
    rust_programs::with_number("mandelbrot", 1..=32_768, mandelbrot)
}

fn mandelbrot(n: usize, out: &mut Output) -> io::Result<()> {
    let row_bytes = n.div_ceil(8);
    let mut bitmap = vec![0; n * row_bytes];
    bitmap.par_chunks_mut(row_bytes).enumerate().for_each(|(y, row)| fill(row, y, n));
    write!(out, "P4\n{n} {n}\n")?;
    out.write_all(&bitmap)
}

fn fill(row: &mut [u8], y: usize, n: usize) {
    let scale = |pixel: usize| 2.0 * pixel as f64 / n as f64;
    for (i, bits) in row.iter_mut().enumerate() {
        let real = [0, 1, 2, 3, 4, 5, 6, 7].map(|bit| scale(8 * i + bit) - 1.5);
        *bits = byte(real, scale(y) - 1.0);
    }
    // Bits beyond the last pixel of a row are 0.
    if let Some(last) = row.last_mut() {
        *last &= 0xff << ((8 - n % 8) % 8);
    }
}

/// One bit for each of eight points: whether |z|² was never above 4. The first is the highest bit.
/// Here |c| < 2, and so |z|² stays above 4 once it has been there: the last value tells.
fn byte(real: [f64; 8], imaginary: f64) -> u8 {
    let (mut zr, mut zi, mut tr, mut ti) = ([0.0; 8], [0.0; 8], [0.0; 8], [0.0; 8]);
    for _ in 0..STEPS {
        for i in 0..8 {
            zi[i] = 2.0 * zr[i] * zi[i] + imaginary;
            zr[i] = tr[i] - ti[i] + real[i];
            tr[i] = zr[i] * zr[i];
            ti[i] = zi[i] * zi[i];
        }
        // What has grown beyond all numbers is not a number and compares as false.
        if !(0..8).any(|i| tr[i] + ti[i] <= 4.0) {
            return 0;
        }
    }
    (0..8).fold(0, |bits, i| bits << 1 | u8::from(tr[i] + ti[i] <= 4.0))
}

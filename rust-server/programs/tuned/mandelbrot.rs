//! mandelbrot: a bitmap of the points of the plane that 50 steps of z² + c leave near the origin.
//!
//! Thirty-two points are iterated side by side in arrays, which the compiler turns into vector
//! instructions, enough of them to hide the latency of each. Whether they have gone is asked every
//! tenth step only: with |c| < 2, as everywhere in the picture, |z|² grows without end once it has
//! been above 4. rayon shares out the rows, which differ in cost. All the time goes into the
//! arithmetic of `word`.
//!
//! Build flags: target-cpu=native, LTO, codegen-units=1, panic=abort.

#![forbid(unsafe_code)]

use std::array;
use std::io::{self, Write};
use std::process::ExitCode;

use rayon::prelude::*;
use rust_programs::Output;

/// Groups of steps, after each of which is asked what is left.
const GROUPS: usize = 5;
const STEPS_PER_GROUP: usize = 10;
/// The bits of a word.
const LANES: usize = 32;

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
    for (i, bytes) in row.chunks_mut(LANES / 8).enumerate() {
        let real = array::from_fn(|bit| scale(LANES * i + bit) - 1.5);
        let word = word(real, scale(y) - 1.0).to_be_bytes();
        bytes.copy_from_slice(&word[..bytes.len()]);
    }
    // Bits beyond the last pixel of a row are 0.
    if let Some(last) = row.last_mut() {
        *last &= 0xff << ((8 - n % 8) % 8);
    }
}

/// One bit for each of the points: whether |z|² was never above 4. The first is the highest bit.
fn word(real: [f64; LANES], imaginary: f64) -> u32 {
    let (mut zr, mut zi) = ([0.0; LANES], [0.0; LANES]);
    let (mut tr, mut ti) = ([0.0; LANES], [0.0; LANES]);
    for _ in 0..GROUPS {
        for _ in 0..STEPS_PER_GROUP {
            for i in 0..LANES {
                zi[i] = 2.0 * zr[i] * zi[i] + imaginary;
                zr[i] = tr[i] - ti[i] + real[i];
                tr[i] = zr[i] * zr[i];
                ti[i] = zi[i] * zi[i];
            }
        }
        // What has grown beyond all numbers is not a number and compares as false.
        if !tr.iter().zip(&ti).any(|(tr, ti)| tr + ti <= 4.0) {
            return 0;
        }
    }
    tr.iter().zip(&ti).fold(0, |word, (tr, ti)| word << 1 | u32::from(tr + ti <= 4.0))
}

//! k-nucleotide: count in a hash table how often each sequence of k letters occurs in DNA, for
//! seven k.
//!
//! A letter is two bits and a sequence of up to 18 letters an integer, which is the key of a
//! `HashMap` that begins empty. Each k is counted in stretches of the DNA, any thread taking the
//! next stretch of any k, and the tables of the stretches are added up. The time goes into hashing
//! and looking up, once for every position and k; reading line by line is not shared out.

#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use rayon::prelude::*;
use rust_programs::{Input, Output, unusable};
use rustc_hash::FxHashMap;

type Counts = FxHashMap<u64, u64>;

/// A letter's code is its index.
const LETTERS: [u8; 4] = *b"ACGT";
const ALL_OF_LENGTH: [usize; 2] = [1, 2];
const CHOSEN: [&str; 5] = ["GGT", "GGTA", "GGTATT", "GGTATTTTAATT", "GGTATTTTAATTTATAGT"];
const STRETCH: usize = 1 << 22;

fn main() -> ExitCode {
    rust_programs::with_input("k-nucleotide", k_nucleotide)
}

fn k_nucleotide(input: Input, out: &mut Output) -> io::Result<()> {
    let codes = read_codes(input, ">THREE")?;
    let lengths: Vec<usize> = ALL_OF_LENGTH.into_iter().chain(CHOSEN.map(str::len)).collect();
    let counts: Vec<Counts> = lengths.par_iter().map(|k| count_all(&codes, *k)).collect();

    let (all, chosen) = counts.split_at(ALL_OF_LENGTH.len());
    for (k, counts) in ALL_OF_LENGTH.iter().zip(all) {
        write_shares(counts, *k, out)?;
    }
    for (sequence, counts) in CHOSEN.iter().zip(chosen) {
        let key = sequence.bytes().filter_map(code).fold(0, append);
        writeln!(out, "{}\t{sequence}", counts.get(&key).unwrap_or(&0))?;
    }
    Ok(())
}

/// The letters of one record of a FASTA file, as codes.
fn read_codes(mut input: Input, record: &str) -> io::Result<Vec<u8>> {
    let (mut codes, mut line, mut wanted) = (Vec::new(), Vec::new(), false);
    while input.read_until(b'\n', &mut line)? > 0 {
        let text = line.trim_ascii_end();
        if text.starts_with(b">") {
            if wanted {
                break;
            }
            wanted = text.starts_with(record.as_bytes());
        } else if wanted {
            for letter in text {
                codes.push(code(*letter).ok_or_else(|| {
                    let letter = char::from(*letter);
                    unusable(format!("record {record} must be of A, C, G and T: got {letter:?}"))
                })?);
            }
        }
        line.clear();
    }
    if codes.is_empty() {
        return Err(unusable(format!("standard input must be FASTA with a record {record}")));
    }
    Ok(codes)
}

fn code(letter: u8) -> Option<u8> {
    let letter = letter.to_ascii_uppercase();
    LETTERS.iter().position(|l| *l == letter).map(|code| code as u8)
}

fn append(key: u64, code: u8) -> u64 {
    key << 2 | u64::from(code)
}

/// How often each sequence of `k` letters occurs.
fn count_all(codes: &[u8], k: usize) -> Counts {
    let last_start = (codes.len() + 1).saturating_sub(k);
    let stretches = (0..last_start.div_ceil(STRETCH)).into_par_iter().map(|i| {
        let end = codes.len().min((i + 1) * STRETCH + k - 1);
        count(&codes[i * STRETCH..end], k)
    });
    stretches.reduce(Counts::default, |mut total, counts| {
        for (key, count) in counts {
            *total.entry(key).or_default() += count;
        }
        total
    })
}

fn count(codes: &[u8], k: usize) -> Counts {
    let mut counts = Counts::default();
    let (first, rest) = codes.split_at(k - 1);
    let mut key = first.iter().fold(0, |key, code| append(key, *code));
    for code in rest {
        key = append(key, *code) & ((1 << (2 * k)) - 1);
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// The share of every sequence of length k in per cent, the most frequent first.
fn write_shares(counts: &Counts, k: usize, out: &mut Output) -> io::Result<()> {
    let total: u64 = counts.values().sum();
    let mut rows: Vec<(u64, u64)> = counts.iter().map(|(key, count)| (*key, *count)).collect();
    // The codes are in the order of the letters.
    rows.sort_by_key(|(key, count)| (Reverse(*count), *key));
    for (key, count) in rows {
        let letter = |i| char::from(LETTERS[(key >> (2 * i)) as usize % 4]);
        let sequence: String = (0..k).rev().map(letter).collect();
        writeln!(out, "{sequence} {:.3}", 100.0 * count as f64 / total as f64)?;
    }
    writeln!(out)
}

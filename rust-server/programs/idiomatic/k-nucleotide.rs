//! k-nucleotide: count in a hash table how often each sequence of k letters occurs in DNA, for
//! seven k.
//!
//! A letter is two bits and a sequence of up to 18 letters an integer, which is the key of a
//! `FxHashMap` that begins empty. A thread reads the next stretch of the DNA, while no other reads,
//! and counts it for each k in tables of its own, which are added up in the end; the DNA is never
//! in memory as a whole. The time goes into the tables: a hash and a look-up for every position and
//! every k, for the larger k in tables that are larger than the cache next to the core.

#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Mutex;

use rust_programs::{Input, Output, unusable};
use rustc_hash::FxHashMap;

type Counts = FxHashMap<u64, u64>;
/// One for each of `LENGTHS`.
type Tables = [Counts; LENGTHS.len()];

/// A letter's code is its index.
const LETTERS: [u8; 4] = *b"ACGT";
const RECORD: &str = ">THREE";
/// Of these all sequences are shown, the others are those of `CHOSEN`.
const LENGTHS: [usize; 7] = [1, 2, 3, 4, 6, 12, 18];
const CHOSEN: [&str; 5] = ["GGT", "GGTA", "GGTATT", "GGTATTTTAATT", "GGTATTTTAATTTATAGT"];
/// Letters, about: a stretch ends with a line.
const STRETCH: usize = 1 << 20;
/// Letters before a stretch that belong to sequences which end in it.
const OVERLAP: usize = 17;

fn main() -> ExitCode {
    rust_programs::with_input("k-nucleotide", k_nucleotide)
}

fn k_nucleotide(input: Input, out: &mut Output) -> io::Result<()> {
    let dna = Mutex::new(Dna::find(input)?);
    let counts = rayon::broadcast(|_| count_stretches(&dna))
        .into_iter()
        .try_fold(Tables::default(), |total, counts| Ok::<_, io::Error>(add(total, counts?)))?;
    if counts[0].is_empty() {
        return Err(no_record());
    }
    let (all, chosen) = counts.split_at(LENGTHS.len() - CHOSEN.len());
    for (k, counts) in LENGTHS.iter().zip(all) {
        write_shares(counts, *k, out)?;
    }
    for (sequence, counts) in CHOSEN.iter().zip(chosen) {
        let key = sequence.bytes().filter_map(code).fold(0, append);
        writeln!(out, "{}\t{sequence}", counts.get(&key).unwrap_or(&0))?;
    }
    Ok(())
}

/// The record, as far as it has not been read.
struct Dna {
    input: Input,
    /// The last letters that have been read.
    overlap: Vec<u8>,
    ended: bool,
}

impl Dna {
    fn find(mut input: Input) -> io::Result<Dna> {
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            if line.starts_with(RECORD.as_bytes()) {
                return Ok(Dna { input, overlap: Vec::new(), ended: false });
            }
            line.clear();
        }
        Err(no_record())
    }

    /// Reads the letters of the next lines into `stretch`, after the overlap, whose length is
    /// returned. If there is nothing after it, the record has ended.
    fn next_stretch(&mut self, stretch: &mut Vec<u8>) -> io::Result<usize> {
        stretch.clear();
        stretch.append(&mut self.overlap);
        let overlap = stretch.len();
        while !self.ended && stretch.len() < STRETCH {
            let start = stretch.len();
            self.ended = self.input.read_until(b'\n', stretch)? == 0 || stretch[start] == b'>';
            let letters = if self.ended { 0 } else { stretch[start..].trim_ascii_end().len() };
            stretch.truncate(start + letters);
        }
        self.overlap.extend(&stretch[stretch.len().saturating_sub(OVERLAP)..]);
        Ok(overlap)
    }
}

fn no_record() -> io::Error {
    unusable(format!("standard input must be FASTA with a record {RECORD}"))
}

/// Counts stretches until there are no more.
fn count_stretches(dna: &Mutex<Dna>) -> io::Result<Tables> {
    let dna = || dna.lock().expect("reading does not panic");
    let (mut tables, mut stretch) = (Tables::default(), Vec::new());
    loop {
        let overlap = dna().next_stretch(&mut stretch)?;
        if stretch.len() == overlap {
            return Ok(tables);
        }
        for letter in &mut stretch {
            let Some(code) = code(*letter) else {
                dna().ended = true;
                let letter = char::from(*letter);
                let problem = format!("record {RECORD} must be of A, C, G and T: got {letter:?}");
                return Err(unusable(problem));
            };
            *letter = code;
        }
        for (k, counts) in LENGTHS.iter().zip(&mut tables) {
            count(&stretch[overlap.saturating_sub(k - 1)..], *k, counts);
        }
    }
}

fn code(letter: u8) -> Option<u8> {
    let letter = letter.to_ascii_uppercase();
    LETTERS.iter().position(|l| *l == letter).map(|code| code as u8)
}

fn append(key: u64, code: u8) -> u64 {
    key << 2 | u64::from(code)
}

fn count(codes: &[u8], k: usize, counts: &mut Counts) {
    let Some((first, rest)) = codes.split_at_checked(k - 1) else { return };
    let mut key = first.iter().fold(0, |key, code| append(key, *code));
    for code in rest {
        key = append(key, *code) & ((1 << (2 * k)) - 1);
        *counts.entry(key).or_default() += 1;
    }
}

fn add(mut total: Tables, tables: Tables) -> Tables {
    for (total, counts) in total.iter_mut().zip(tables) {
        for (key, count) in counts {
            *total.entry(key).or_default() += count;
        }
    }
    total
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

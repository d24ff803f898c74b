//! k-nucleotide: count in a hash table how often each sequence of k letters occurs in DNA, for
//! seven k.
//!
//! A letter is two bits and a sequence of up to 18 letters an integer, which is the key of a
//! `HashMap` that begins empty. The DNA is read in stretches, which are never all in memory; while
//! one is counted, each k in a table of its own, the next is read. Threads take the next k when
//! they are done with one, the longest sequences first.
//! The time goes into the tables: a hash and a look-up for every position and every k, for the
//! larger k in tables that are larger than the cache next to the core.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use rust_programs::{Input, Output, unusable, without_end};

type Counts = HashMap<u64, u64>;
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
    let counts = count_all(Dna::find(input)?)?;
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
    /// The codes of the last letters that have been read.
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

    /// The next stretches; fewer where the record ends, and then none.
    fn read(&mut self, stretches: usize) -> io::Result<Vec<Stretch>> {
        let mut read = Vec::with_capacity(stretches);
        while read.len() < stretches && !self.ended {
            let stretch = self.next_stretch()?;
            if stretch.codes.len() > stretch.overlap {
                read.push(stretch);
            }
        }
        Ok(read)
    }

    /// The letters of the next lines, after the overlap.
    fn next_stretch(&mut self) -> io::Result<Stretch> {
        let mut codes = Vec::with_capacity(STRETCH + STRETCH / 16);
        codes.append(&mut self.overlap);
        let overlap = codes.len();
        while !self.ended && codes.len() < STRETCH {
            let start = codes.len();
            self.ended = self.input.read_until(b'\n', &mut codes)? == 0 || codes[start] == b'>';
            let letters = if self.ended { 0 } else { without_end(&codes[start..]).len() };
            codes.truncate(start + letters);
        }
        for letter in &mut codes[overlap..] {
            *letter = code(*letter).ok_or_else(|| no_code(*letter))?;
        }
        self.overlap.extend(&codes[codes.len().saturating_sub(OVERLAP)..]);
        Ok(Stretch { codes, overlap })
    }
}

/// Letters that follow each other, as their codes.
struct Stretch {
    codes: Vec<u8>,
    /// How many of them belong to the stretch before.
    overlap: usize,
}

fn no_record() -> io::Error {
    unusable(format!("standard input must be FASTA with a record {RECORD}"))
}

fn no_code(letter: u8) -> io::Error {
    let letter = char::from(letter);
    unusable(format!("record {RECORD} must be of A, C, G and T: got {letter:?}"))
}

/// Counts the whole record. Seven k keep two cores busy; with more there are more stretches at a
/// time, and tables for each, which are added up in the end.
fn count_all(mut dna: Dna) -> io::Result<Tables> {
    let cores = rust_programs::cores();
    let mut tables: Vec<Tables> = Vec::new();
    tables.resize_with(cores.div_ceil(2), Tables::default);
    let mut stretches = dna.read(tables.len())?;
    while !stretches.is_empty() {
        let of_stretch = stretches.iter().zip(&mut tables);
        let work = of_stretch.flat_map(|(stretch, tables)| {
            LENGTHS.iter().zip(tables).rev().map(move |(k, counts)| (stretch, *k, counts))
        });
        let work = Mutex::new(work);
        let next_work = || work.lock().expect("taking work does not panic").next();
        let count_next = || {
            while let Some((stretch, k, counts)) = next_work() {
                count(stretch, k, counts);
            }
        };
        let next = thread::scope(|scope| {
            for _ in 1..cores {
                scope.spawn(count_next);
            }
            let next = dna.read(stretches.len());
            count_next();
            next
        });
        stretches = next?;
    }
    Ok(tables.into_iter().reduce(add).unwrap_or_default())
}

fn code(letter: u8) -> Option<u8> {
    let letter = letter.to_ascii_uppercase();
    LETTERS.iter().position(|l| *l == letter).map(|code| code as u8)
}

fn append(key: u64, code: u8) -> u64 {
    key << 2 | u64::from(code)
}

/// Counts the sequences of length k that end in a stretch.
fn count(stretch: &Stretch, k: usize, counts: &mut Counts) {
    let codes = &stretch.codes[stretch.overlap.saturating_sub(k - 1)..];
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

//! reverse-complement: write every DNA sequence of a FASTA file backwards, each letter replaced by
//! its complement.
//!
//! A record is read line by line into a buffer without line ends, so the letters of any line of the
//! result are known by its number: threads make blocks of lines, and the blocks are written in
//! order. The time goes into reading and writing.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use rust_programs::{Input, Output, unusable, without_end};

const LINE: usize = 60;
/// Handing over a block costs two switches between threads: it should be long.
const BLOCK: usize = 2048 * LINE;

/// The complement of each letter, or 0.
const COMPLEMENTS: [u8; 256] = {
    let pairs = *b"ATCGMKRYWWSSVBHDNNTAGCKMYRBVDHUA";
    let mut complements = [0; 256];
    let mut i = 0;
    while i < pairs.len() {
        complements[pairs[i] as usize] = pairs[i + 1];
        complements[pairs[i].to_ascii_lowercase() as usize] = pairs[i + 1];
        i += 2;
    }
    complements
};

fn main() -> ExitCode {
    rust_programs::with_input("reverse-complement", reverse_complement)
}

fn reverse_complement(mut input: Input, out: &mut Output) -> io::Result<()> {
    let (mut header, mut letters) = (Vec::new(), Vec::new());
    input.read_until(b'\n', &mut header)?;
    if !header.starts_with(b">") {
        return Err(unusable("standard input must be FASTA, which begins with \">\""));
    }
    while !header.is_empty() {
        let next_header = read_letters(&mut input, &mut letters)?;
        out.write_all(without_end(&header))?;
        out.write_all(b"\n")?;
        write_reversed(&letters, out)?;
        header = next_header;
        letters.clear();
    }
    Ok(())
}

/// Reads up to the next header, which is returned, or the end, for which an empty one stands.
fn read_letters(input: &mut Input, letters: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        let start = letters.len();
        if input.read_until(b'\n', letters)? == 0 || letters[start] == b'>' {
            return Ok(letters.split_off(start));
        }
        letters.truncate(start + without_end(&letters[start..]).len());
    }
}

fn write_reversed(letters: &[u8], out: &mut Output) -> io::Result<()> {
    let blocks = letters.len().div_ceil(BLOCK);
    let threads = rust_programs::cores().min(blocks);
    thread::scope(|scope| {
        let filled: Vec<_> = (0..threads)
            .map(|first| {
                let (sender, receiver) = mpsc::sync_channel(1);
                scope.spawn(move || {
                    for block in letters.rchunks(BLOCK).skip(first).step_by(threads) {
                        // Nobody receives once writing has failed.
                        if sender.send(reversed_lines(block)).is_err() {
                            break;
                        }
                    }
                });
                receiver
            })
            .collect();
        filled.iter().cycle().take(blocks).try_for_each(|receiver| {
            out.write_all(&receiver.recv().expect("every thread makes its share of the blocks")?)
        })
    })
}

fn reversed_lines(letters: &[u8]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::with_capacity(letters.len() + letters.len().div_ceil(LINE));
    for line in letters.rchunks(LINE) {
        lines.extend(line.iter().rev().map(|letter| COMPLEMENTS[usize::from(*letter)]));
        lines.push(b'\n');
    }
    if lines.contains(&0) {
        return Err(unusable("sequences must be of the letters ACGTUMKRYWSVBHDN"));
    }
    Ok(lines)
}

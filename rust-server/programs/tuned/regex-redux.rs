//! regex-redux: count nine patterns in DNA and rewrite it with five others.
//!
//! Each core strips headers and line ends from its share of the lines. The counts do not depend on
//! each other nor on the rewriting, whose five steps do: ten tasks for all cores, the longest
//! first. The rewriting has two buffers, which take turns.
//! The time goes into the searches, most of it into the rewriting.
//!
//! Build flags: target-cpu=x86-64-v3, LTO, codegen-units=1, panic=abort.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::mem;
use std::process::ExitCode;

use rayon::prelude::*;
use regex::bytes::Regex;
use rust_programs::{Input, Output, unusable};

const COUNTED: [&str; 9] = [
    "agggtaaa|tttaccct",
    "[cgt]gggtaaa|tttaccc[acg]",
    "a[act]ggtaaa|tttacc[agt]t",
    "ag[act]gtaaa|tttac[agt]ct",
    "agg[act]taaa|ttta[agt]cct",
    "aggg[acg]aaa|ttt[cgt]ccct",
    "agggt[cgt]aa|tt[acg]accct",
    "agggta[cgt]a|t[acg]taccct",
    "agggtaa[cgt]|[acg]ttaccct",
];

const REPLACED: [(&str, &[u8]); 5] = [
    ("tHa[Nt]", b"<4>"),
    ("aND|caN|Ha[DS]|WaS", b"<3>"),
    ("a[NSt]|BY", b"<2>"),
    ("<[^>]*>", b"|"),
    (r"\|[^|][^|]*\|", b"-"),
];

fn main() -> ExitCode {
    rust_programs::with_input("regex-redux", regex_redux)
}

fn regex_redux(mut input: Input, out: &mut Output) -> io::Result<()> {
    let mut text = Vec::new();
    input.read_to_end(&mut text)?;
    if !text.starts_with(b">") {
        return Err(unusable("standard input must be FASTA, which begins with \">\""));
    }
    let length = text.len();
    let sequence = strip(text);
    let (rewritten, counts): (usize, Vec<usize>) = rayon::join(
        || rewrite(&sequence),
        || COUNTED.par_iter().map(|pattern| regex(pattern).find_iter(&sequence).count()).collect(),
    );
    for (pattern, count) in COUNTED.iter().zip(counts) {
        writeln!(out, "{pattern} {count}")?;
    }
    writeln!(out, "\n{length}\n{}\n{rewritten}", sequence.len())
}

/// Removes headers and line ends, on each core those of its share of the lines.
fn strip(text: Vec<u8>) -> Vec<u8> {
    let share = text.len().div_ceil(rust_programs::cores());
    let (mut shares, mut rest) = (Vec::new(), &text[..]);
    while !rest.is_empty() {
        let least = share.min(rest.len());
        let line_end = rest[least..].iter().position(|byte| *byte == b'\n');
        let (lines, after) = rest.split_at(line_end.map_or(rest.len(), |end| least + end + 1));
        shares.push(lines);
        rest = after;
    }
    let stripped = shares.par_iter().map(|lines| {
        let mut stripped = Vec::with_capacity(lines.len());
        replace(lines, r">.*\n|\n", b"", &mut stripped);
        stripped
    });
    let stripped: Vec<Vec<u8>> = stripped.collect();
    drop(text);
    stripped.concat()
}

/// The length of the sequence when all is replaced. Two buffers take turns: new ones for every
/// pattern would be a third more memory, and the kernel's time to clear it.
fn rewrite(sequence: &[u8]) -> usize {
    let (mut text, mut replaced) = (sequence.to_vec(), Vec::with_capacity(sequence.len()));
    for (pattern, with) in REPLACED {
        replace(&text, pattern, with, &mut replaced);
        mem::swap(&mut text, &mut replaced);
        replaced.clear();
    }
    text.len()
}

/// Appends the text to `replaced`, with something else for all that matches.
fn replace(text: &[u8], pattern: &str, with: &[u8], replaced: &mut Vec<u8>) {
    let mut kept = 0;
    for found in regex(pattern).find_iter(text) {
        replaced.extend_from_slice(&text[kept..found.start()]);
        replaced.extend_from_slice(with);
        kept = found.end();
    }
    replaced.extend_from_slice(&text[kept..]);
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants, and every one is used in every run")
}

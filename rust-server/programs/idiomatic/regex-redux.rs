//! regex-redux: count nine patterns in DNA and rewrite it with five others.
//!
//! Each core strips headers and line ends from its share of the lines. The counts do not depend on
//! each other nor on the rewriting, whose five steps do: ten tasks for all cores, the longest first.
//! The time goes into the searches, most of it into the rewriting.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use rayon::prelude::*;
use regex::bytes::{NoExpand, Regex};
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
        || rewrite(&sequence).len(),
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
    let stripped = shares.par_iter().map(|lines| replace(lines, r">.*\n|\n", b"").into_owned());
    let stripped: Vec<Vec<u8>> = stripped.collect();
    drop(text);
    stripped.concat()
}

fn rewrite(sequence: &[u8]) -> Cow<'_, [u8]> {
    REPLACED.iter().fold(sequence.into(), |text, (pattern, with)| {
        replace(&text, pattern, with).into_owned().into()
    })
}

fn replace<'a>(text: &'a [u8], pattern: &str, with: &[u8]) -> Cow<'a, [u8]> {
    regex(pattern).replace_all(text, NoExpand(with))
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants, and every one is used in every run")
}

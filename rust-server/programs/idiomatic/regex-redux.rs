//! regex-redux: count nine patterns in DNA and rewrite it with five others.
//!
//! Each core strips headers and line ends from its share of the lines. The counts do not depend on
//! each other nor on the rewriting, whose five steps do: ten tasks for all cores, the longest
//! first.
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
    let sequence = strip(&text);
    let (rewritten, counts): (usize, Vec<usize>) = rayon::join(
        || rewrite(&sequence),
        || COUNTED.par_iter().map(|pattern| regex(pattern).find_iter(&sequence).count()).collect(),
    );
    for (pattern, count) in COUNTED.iter().zip(counts) {
        writeln!(out, "{pattern} {count}")?;
    }
    writeln!(out, "\n{}\n{}\n{rewritten}", text.len(), sequence.len())
}

/// Removes headers and line ends, on each core those of its share of the lines.
fn strip(text: &[u8]) -> Vec<u8> {
    let share = text.len().div_ceil(rust_programs::cores());
    let (mut shares, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let least = share.min(rest.len());
        let line_end = rest[least..].iter().position(|byte| *byte == b'\n');
        let (lines, after) = rest.split_at(line_end.map_or(rest.len(), |end| least + end + 1));
        shares.push(lines);
        rest = after;
    }
    let headers_and_line_ends = regex(r">.*\n|\n");
    let stripped: Vec<Cow<'_, [u8]>> = shares
        .par_iter()
        .map(|lines| headers_and_line_ends.replace_all(lines, NoExpand(b"")))
        .collect();
    stripped.concat()
}

/// The length of the sequence when all is replaced.
fn rewrite(sequence: &[u8]) -> usize {
    let mut text = Cow::Borrowed(sequence);
    for (pattern, with) in REPLACED {
        let replaced = regex(pattern).replace_all(&text, NoExpand(with)).into_owned();
        text = Cow::Owned(replaced);
    }
    text.len()
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants, and every one is used in every run")
}

//! Words and numbers that all of the text has in common.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::cmd::stdio;

pub(crate) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

pub(crate) fn kinds<K: AsRef<str>>(counts: &BTreeMap<K, u64>) -> String {
    let counts = counts.iter().map(|(kind, n)| format!("{} {}", kind.as_ref(), count(*n)));
    counts.collect::<Vec<_>>().join(", ")
}

pub(crate) fn count(n: u64) -> String {
    duet_units::thousands(i64::try_from(n).unwrap_or(i64::MAX))
}

pub(crate) fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Where the content of most lines begins.
const CONTENT: usize = 14;

/// A text for standard output in lines that its terminal has columns for.
pub(crate) fn fit(text: &str) -> String {
    match stdio::columns(std::io::stdout()) {
        Some(columns) => fitted(text, columns),
        None => text.to_owned(),
    }
}

/// The same text in lines of so many columns at most, broken between words; what is longer than a
/// line has one of its own. Escapes, which style words, take no columns.
pub(crate) fn fitted(text: &str, columns: usize) -> String {
    let broken = text.split('\n').map(|line| match width(line) > columns {
        true => broken(line, columns),
        false => line.to_owned(),
    });
    broken.collect::<Vec<_>>().join("\n")
}

fn broken(line: &str, columns: usize) -> String {
    // Below the content, where there is room for it.
    let indent = if columns >= 2 * CONTENT { CONTENT } else { 2 };
    let (mut out, mut used, mut blanks) = (String::new(), 0, 0);
    for word in line.split(' ') {
        if word.is_empty() {
            blanks += 1;
            continue;
        }
        if used > 0 && used + blanks + width(word) > columns {
            out.push('\n');
            (used, blanks) = (0, indent);
        }
        out.push_str(&" ".repeat(blanks));
        out.push_str(word);
        used += blanks + width(word);
        blanks = 1;
    }
    out
}

fn width(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(|part| part.chars().count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_fit() {
        let warning = "\x1b[33mwarning\x1b[0m       one two three four five";
        for (text, columns, want) in [
            ("short\n\nlines\n", 10, "short\n\nlines\n"),
            ("one two three", 8, "one two\n  three"),
            (warning, 80, warning),
            (warning, 30, "\x1b[33mwarning\x1b[0m       one two three\n              four five"),
            ("incomprehensibilities of it", 10, "incomprehensibilities\n  of it"),
        ] {
            assert_eq!(fitted(text, columns), want, "{text:?}");
        }
    }
}

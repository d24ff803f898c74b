//! Words and numbers that all of the text has in common.

use std::collections::BTreeMap;
use std::fmt::Write;

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

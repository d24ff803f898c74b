//! Files in which the kernel says something, as text.

use std::fs;

/// A file's text, absent where it cannot be read: these are probes of what may not exist.
pub(super) fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// A field of the text of /proc/meminfo in bytes.
pub(super) fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

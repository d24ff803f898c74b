//! What a program printed, and whether it is as expected.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use crate::verify;

/// The beginning of an output that is kept, to compare numbers and to show what is wrong.
const HEAD_BYTES: usize = 4096;

/// An output: its length, its hash, its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// As much of it as is kept.
    pub head: Vec<u8>,
}

/// Hashes an output as it is written to it.
#[derive(Debug, Default)]
pub struct OutputHasher {
    hash: Sha256,
    bytes: u64,
    head: Vec<u8>,
}

impl Write for OutputHasher {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        let room = HEAD_BYTES - self.head.len();
        self.head.extend(&piece[..piece.len().min(room)]);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OutputHasher {
    /// The output.
    #[must_use]
    pub fn output(self) -> Output {
        let digits = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Output { bytes: self.bytes, sha256: digits, head: self.head }
    }
}

impl Output {
    /// The output of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = OutputHasher::default();
        // Hashing cannot fail, and takes all it is given.
        drop(hasher.write(bytes));
        hasher.output()
    }
}

/// Compares an output with the expected one: equal bytes or, where `within` is given, words that
/// are equal or numbers that differ by no more than it. Says what differs.
///
/// # Errors
/// How they differ.
pub fn compare(got: &Output, want: &Output, within: Option<f64>) -> Result<(), String> {
    if got.sha256 == want.sha256 {
        return Ok(());
    }
    let whole = |output: &Output| output.bytes as usize == output.head.len();
    if let Some(within) = within
        && whole(got)
        && whole(want)
        && alike(&got.head, &want.head, within)
    {
        return Ok(());
    }
    let same = got.head.iter().zip(&want.head).take_while(|(a, b)| a == b).count();
    let kept = |output: &Output| same < output.head.len();
    if kept(got) || kept(want) {
        Err(format!(
            "its output differs from byte {same} on: {} where {} was due",
            excerpt(&got.head, same),
            excerpt(&want.head, same)
        ))
    } else {
        Err(format!(
            "its output of {} bytes has the hash {}…, where {} bytes and {}… were due",
            got.bytes,
            &got.sha256[..12],
            want.bytes,
            &want.sha256[..12]
        ))
    }
}

/// Whether two texts have the same words, but for numbers that differ by at most `within`.
fn alike(got: &[u8], want: &[u8], within: f64) -> bool {
    let (Ok(got), Ok(want)) = (str::from_utf8(got), str::from_utf8(want)) else { return false };
    let number = |word: &str| word.parse::<f64>().ok().filter(|n| n.is_finite());
    let close = |(a, b): (&str, &str)| match (number(a), number(b)) {
        // A hair of tolerance: decimals of the limit's own size are not exact in binary.
        (Some(a), Some(b)) => (a - b).abs() <= within * 1.000_001,
        _ => a == b,
    };
    got.lines().count() == want.lines().count()
        && got.split_whitespace().count() == want.split_whitespace().count()
        && got.split_whitespace().zip(want.split_whitespace()).all(close)
}

/// Some bytes around where two outputs part.
fn excerpt(bytes: &[u8], at: usize) -> String {
    if at >= bytes.len() {
        return "nothing".to_owned();
    }
    format!("\"{}\"", verify::excerpt(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes() {
        // FIPS 180-2, appendix B.1.
        let want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Output::of(b"abc").sha256, want);
        let mut hasher = OutputHasher::default();
        for piece in [&b"a"[..], b"bc"] {
            hasher.write_all(piece).expect("hashing cannot fail");
        }
        assert_eq!(hasher.output(), Output::of(b"abc"));
    }

    #[test]
    fn comparisons() {
        let long = |end: char| format!("{}{end}", "x".repeat(HEAD_BYTES + 9));
        let energy = "-0.169075164\n-0.169087605\n";
        let cases: [(&str, &str, Option<f64>, Option<&str>); 10] = [
            ("abc\n", "abc\n", None, None),
            ("abd\n", "abc\n", None, Some("from byte 2 on: \"abd\\n\" where \"abc\\n\" was due")),
            ("abc", "abc\n", None, Some("from byte 3 on: nothing where \"abc\\n\" was due")),
            ("", "abc", None, Some("from byte 0 on: nothing where \"abc\" was due")),
            ("-0.169075164\n-0.169087615\n", energy, Some(1e-8), None),
            ("-0.169075164\n-0.169087616\n", energy, Some(1e-8), Some("from byte 23 on")),
            ("-0.169075164\n-0.169087606\n", energy, None, Some("from byte 24 on")),
            ("-0.169075164\n", energy, Some(1e-8), Some("from byte 13 on: nothing")),
            ("-0.169075164 -0.169087605\n", energy, Some(1e-8), Some("from byte 12 on")),
            ("NaN\n", "0.1\n", Some(1e-8), Some("from byte 0 on")),
        ];
        for (got, want, within, says) in cases {
            let outcome =
                compare(&Output::of(got.as_bytes()), &Output::of(want.as_bytes()), within);
            match says {
                None => assert_eq!(outcome, Ok(()), "{got:?} {want:?}"),
                Some(says) => {
                    let error = outcome.expect_err(got);
                    assert!(error.contains(says), "{got:?}: {error}");
                }
            }
        }
        let (a, b) = (Output::of(long('a').as_bytes()), Output::of(long('b').as_bytes()));
        let error = compare(&a, &b, None).expect_err("they differ");
        assert!(error.contains("4106 bytes has the hash"), "{error}");
    }
}

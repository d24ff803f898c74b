//! Numbers that nobody measures are refused where a record is read, so that sums of those that are
//! kept stay within 64 bits.

use anyhow::{Result, ensure};

/// The largest number that a block or a build may hold: 78 hours in nanoseconds, 256 TiB in bytes.
/// 65,536 of them, more than a line has windows, add up to no more than 64 bits hold.
const NUMBER_MAX: f64 = (1_u64 << 48) as f64;

/// Checks the numbers of a line of JSON, those in strings not included.
///
/// # Errors
/// When one is larger than anything that is measured.
pub(super) fn check(line: &[u8]) -> Result<()> {
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        match byte {
            b'"' => at = end_of_string(line, at + 1),
            b'-' | b'0'..=b'9' => {
                let is_part =
                    |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
                let length = line[at..].iter().take_while(|byte| is_part(byte)).count();
                let number = str::from_utf8(&line[at..at + length]).unwrap_or_default();
                // What is no number is the parser's affair.
                let value = number.parse::<f64>().unwrap_or(0.0);
                ensure!(value.abs() <= NUMBER_MAX, "{number} is more than anything measured");
                at += length;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

/// Where what follows a string begins, whose text begins at `at`.
fn end_of_string(line: &[u8], mut at: usize) -> usize {
    loop {
        match line.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') | None => return at + 1,
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_the_bound_are_refused() {
        for (line, fits) in [
            (r#"{"a":281474976710656,"b":[-1,1e14,0.5]}"#, true),
            (r#"{"a":281474976710657}"#, false),
            (r#"{"a":18446744073709551615}"#, false),
            (r#"{"a":[1,-1e308]}"#, false),
            (r#"{"a":1e999}"#, false),
            // A string may hold what it likes, and end where it does not.
            (r#"{"99999999999999999999":"1e308 \" 1e308","b":1}"#, true),
            (r#"{"a":"\\","b":1e308}"#, false),
            (r#"{"a":"1e308"#, true),
            ("", true),
        ] {
            assert_eq!(check(line.as_bytes()).is_ok(), fits, "{line}");
        }
    }
}

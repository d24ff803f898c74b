//! Decimal numbers as the contract writes them.

use crate::answer::BadRequest;

/// Longest run of digits that is read: 18 always fit an `i64`, and so does the sum of three such.
const DIGITS_MAX: usize = 18;

/// Reads an integer: an optional `-`, then 1 to 18 digits, nothing else.
pub fn integer(text: &[u8]) -> Result<i64, BadRequest> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let magnitude = natural(digits)?.cast_signed();
    Ok(if negative { -magnitude } else { magnitude })
}

/// Reads 1 to 18 digits, nothing else.
pub fn natural(digits: &[u8]) -> Result<u64, BadRequest> {
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        return Err(BadRequest);
    }
    digits.iter().try_fold(0, |value, &digit| {
        if !digit.is_ascii_digit() {
            return Err(BadRequest);
        }
        Ok(value * 10 + u64::from(digit - b'0'))
    })
}

/// Reads digits, nothing else, whose value is from 1 to `max`.
pub fn count(digits: &[u8], max: u32) -> Result<u32, BadRequest> {
    let value = u32::try_from(natural(digits)?).map_err(|_| BadRequest)?;
    if (1..=max).contains(&value) { Ok(value) } else { Err(BadRequest) }
}

/// Appends the decimal text of a number.
pub fn push(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    while value >= 100 {
        start -= 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if value >= 10 {
        start -= 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[value as usize]);
    } else {
        start -= 1;
        digits[start] = b'0' + value as u8;
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends the decimal text of a signed number.
pub fn push_signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push(out, value.unsigned_abs());
}

/// The texts `00` to `99`: two digits for one division.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        #[track_caller]
        fn check(text: &str, expected: Result<i64, BadRequest>) {
            assert_eq!(integer(text.as_bytes()), expected, "{text:?}");
        }
        check("0", Ok(0));
        check("-0", Ok(0));
        check("007", Ok(7));
        check("-12", Ok(-12));
        check("999999999999999999", Ok(999_999_999_999_999_999));
        check("-999999999999999999", Ok(-999_999_999_999_999_999));
        check("1000000000000000000", Err(BadRequest));
        check("", Err(BadRequest));
        check("-", Err(BadRequest));
        check("--1", Err(BadRequest));
        check("+1", Err(BadRequest));
        check(" 1", Err(BadRequest));
        check("1 ", Err(BadRequest));
        check("1.0", Err(BadRequest));
        check("1e3", Err(BadRequest));
        check("0x1", Err(BadRequest));
        check("١", Err(BadRequest));
    }

    #[test]
    fn counts() {
        #[track_caller]
        fn check(text: &str, expected: Result<u32, BadRequest>) {
            assert_eq!(count(text.as_bytes(), 1_000), expected, "{text:?}");
        }
        check("1", Ok(1));
        check("1000", Ok(1_000));
        check("0", Err(BadRequest));
        check("1001", Err(BadRequest));
        check("-1", Err(BadRequest));
        check("4294967297", Err(BadRequest));
    }

    #[test]
    fn texts() {
        for value in [0, 9, 10, 99, 100, 101, 999, 1_000, 65_536, u64::MAX / 10, u64::MAX] {
            let mut text = Vec::new();
            push(&mut text, value);
            assert_eq!(text, value.to_string().as_bytes());
        }
        for value in [i64::MIN, -10, -1, 0, 1, i64::MAX] {
            let mut text = Vec::new();
            push_signed(&mut text, value);
            assert_eq!(text, value.to_string().as_bytes());
        }
    }
}

//! Numbers as the contract writes them: types that are read from text at the edge, so that nothing
//! behind it sees text.

use std::str::FromStr;

use crate::response::BadRequest;

/// Longest run of digits that is read: 18 always fit an `i64`, and so does the sum of three such.
const DIGITS_MAX: usize = 18;

/// An integer: an optional `-`, then 1 to 18 digits, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer(pub i64);

impl FromStr for Integer {
    type Err = BadRequest;

    fn from_str(text: &str) -> Result<Integer, BadRequest> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let magnitude = natural(digits)?.cast_signed();
        Ok(Integer(if negative { -magnitude } else { magnitude }))
    }
}

/// A number from 1 to `MAX`, in digits only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count<const MAX: u32>(u32);

impl<const MAX: u32> Count<MAX> {
    /// The number, if it is in range.
    pub fn new(value: u32) -> Option<Self> {
        (1..=MAX).contains(&value).then_some(Count(value))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<const MAX: u32> FromStr for Count<MAX> {
    type Err = BadRequest;

    fn from_str(text: &str) -> Result<Self, BadRequest> {
        u32::try_from(natural(text.as_bytes())?)
            .ok()
            .and_then(Count::new)
            .ok_or(BadRequest::new("a count is out of range"))
    }
}

/// A number of 1 to 18 digits, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl FromStr for Seed {
    type Err = BadRequest;

    fn from_str(text: &str) -> Result<Seed, BadRequest> {
        natural(text.as_bytes()).map(Seed)
    }
}

/// Reads 1 to 18 digits, nothing else.
///
/// # Errors
///
/// If there are more or fewer, or anything else.
pub fn natural(digits: &[u8]) -> Result<u64, BadRequest> {
    const WRONG: BadRequest = BadRequest::new("not a number of 1 to 18 digits");
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        return Err(WRONG);
    }
    let mut value = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(WRONG);
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    Ok(value)
}

/// Numbers come as text, in paths and queries.
#[cfg(feature = "serde")]
mod serde {
    use std::fmt::Display;
    use std::str::FromStr;

    use ::serde::de::{Deserialize, Deserializer, Error};

    use super::{Count, Integer, Seed};

    impl<'de> Deserialize<'de> for Integer {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Integer, D::Error> {
            from_text(deserializer)
        }
    }

    impl<'de> Deserialize<'de> for Seed {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seed, D::Error> {
            from_text(deserializer)
        }
    }

    impl<'de, const MAX: u32> Deserialize<'de> for Count<MAX> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            from_text(deserializer)
        }
    }

    fn from_text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        #[track_caller]
        fn check(text: &str, expected: Option<i64>) {
            assert_eq!(text.parse().ok(), expected.map(Integer), "{text:?}");
        }
        check("0", Some(0));
        check("-0", Some(0));
        check("007", Some(7));
        check("-12", Some(-12));
        check("999999999999999999", Some(999_999_999_999_999_999));
        check("-999999999999999999", Some(-999_999_999_999_999_999));
        check("1000000000000000000", None);
        check("", None);
        check("-", None);
        check("--1", None);
        check("+1", None);
        check(" 1", None);
        check("1 ", None);
        check("1.0", None);
        check("1e3", None);
        check("0x1", None);
        check("١", None);
    }

    #[test]
    fn counts() {
        #[track_caller]
        fn check(text: &str, expected: Option<u32>) {
            let count: Option<Count<1_000>> = text.parse().ok();
            assert_eq!(count.map(Count::get), expected, "{text:?}");
        }
        check("1", Some(1));
        check("1000", Some(1_000));
        check("0", None);
        check("1001", None);
        check("-1", None);
        check("4294967297", None);
    }

    #[test]
    fn errors_name_the_cause() {
        let error = "0".parse::<Count<5>>().unwrap_err();
        assert_eq!(error.to_string(), "a count is out of range");
        let error = "x".parse::<Integer>().unwrap_err();
        assert_eq!(error.to_string(), "not a number of 1 to 18 digits");
    }
}

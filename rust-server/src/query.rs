//! Queries of the form `application/x-www-form-urlencoded`, as the URL standard parses them
//! (<https://url.spec.whatwg.org/#urlencoded-parsing>).

use std::borrow::Cow;

use crate::response::BadRequest;

/// The value of a parameter that must occur exactly once.
pub fn parameter<'q>(query: &'q [u8], name: &str) -> Result<Cow<'q, [u8]>, BadRequest> {
    let mut found = None;
    for pair in query.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
        if *decode(&pair[..equals], true) != *name.as_bytes() {
            continue;
        }
        let value = pair.get(equals + 1..).unwrap_or_default();
        if found.replace(value).is_some() {
            return Err(BadRequest::new("a parameter is given twice"));
        }
    }
    found.map(|value| decode(value, true)).ok_or(BadRequest::new("a parameter is missing"))
}

/// The text of a path segment.
pub fn segment(encoded: &[u8]) -> Cow<'_, [u8]> {
    decode(encoded, false)
}

/// Decodes `%41`, and `+` where it means a space. A `%` without two hex digits stands for itself.
fn decode(encoded: &[u8], plus_is_space: bool) -> Cow<'_, [u8]> {
    if !encoded.iter().any(|&byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(encoded);
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        decoded.push(match (byte, tail) {
            (b'+', _) if plus_is_space => b' ',
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            (byte, _) => *byte,
        });
    }
    Cow::Owned(decoded)
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(digit: u8) -> Option<u8> {
    // `to_digit(16)` is below 16.
    (digit as char).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        #[track_caller]
        fn check(query: &str, expected: Option<&str>) {
            let value = parameter(query.as_bytes(), "a").ok();
            assert_eq!(value.as_deref(), expected.map(str::as_bytes), "{query:?}");
        }
        check("a=1", Some("1"));
        check("b=2&a=1", Some("1"));
        check("a=1&b=2&b=3", Some("1"));
        check("&&a=1&", Some("1"));
        check("a=1=2", Some("1=2"));
        check("a=", Some(""));
        check("a", Some(""));
        check("%61=%31+2", Some("1 2"));
        check("a=%", Some("%"));
        check("a=%4", Some("%4"));
        check("a=%zz", Some("%zz"));
        check("a=%+1", Some("% 1"));
        check("aa=1&A=1", None);
        check("", None);
        check("a=1&a=1", None);
        check("a=1&%61=1", None);
    }
}

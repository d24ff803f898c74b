//! A body compared with the expected one as it comes. What is kept of it does not grow.

use xxhash_rust::xxh3::Xxh3;

use super::excerpt::{AFTER, BEFORE, excerpt};
use crate::request::exchange::ExpectedBody;

/// A body that is longer than the expected one by more than this is not read to its end.
const EXCESS_MAX: u64 = 64 << 10;

/// What is known of a body that was read so far.
#[derive(Default)]
pub(crate) struct BodyCheck {
    /// Its bytes.
    len: u64,
    /// So many of them are those of the expected body.
    matched: usize,
    /// What follows the first difference, as far as it is shown.
    different: Vec<u8>,
    /// In a box: it is large, and rarely needed.
    digest: Option<Box<Xxh3>>,
}

impl BodyCheck {
    /// Of a body of which nothing has come.
    pub(crate) fn new(expected: &ExpectedBody) -> Self {
        let hashed = matches!(expected, ExpectedBody::Digest { .. });
        Self { digest: hashed.then(Box::default), ..Self::default() }
    }

    /// Compares the next part.
    pub(crate) fn add(&mut self, part: &[u8], expected: &ExpectedBody) {
        if let ExpectedBody::Exactly(want) = expected {
            let rest = &want[self.matched..];
            let equal_so_far = self.matched as u64 == self.len;
            let equal = match equal_so_far {
                true if rest.starts_with(part) => part.len(),
                true => rest.iter().zip(part).take_while(|(want, got)| want == got).count(),
                false => 0,
            };
            self.matched += equal;
            let room = AFTER - self.different.len();
            let behind = &part[equal..];
            self.different.extend_from_slice(&behind[..behind.len().min(room)]);
        }
        if let Some(digest) = &mut self.digest {
            digest.update(part);
        }
        self.len += part.len() as u64;
    }

    /// Whether the whole body is the expected one.
    pub(crate) fn is_equal(&self, expected: &ExpectedBody) -> bool {
        match expected {
            ExpectedBody::Any => true,
            ExpectedBody::Exactly(want) => {
                self.len == want.len() as u64 && self.matched == want.len()
            }
            ExpectedBody::Digest { len, xxh3 } => {
                self.len == *len && self.digest.as_ref().is_some_and(|d| d.digest() == *xxh3)
            }
        }
    }

    /// Whether it is so long that it cannot become the expected one.
    pub(crate) fn is_too_long(&self, expected: &ExpectedBody) -> bool {
        expected.length().is_some_and(|len| self.len > len + EXCESS_MAX)
    }

    /// Whether more has to come, as far as can be told.
    pub(crate) fn is_cut_off(&self, expected: &ExpectedBody) -> bool {
        match expected {
            ExpectedBody::Any => false,
            ExpectedBody::Exactly(want) => {
                self.len < want.len() as u64 && self.matched as u64 == self.len
            }
            ExpectedBody::Digest { len, .. } => self.len < *len,
        }
    }

    /// Its bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// How the whole body differs from the expected one.
    pub(crate) fn difference(&self, expected: &ExpectedBody) -> String {
        let got = self.len;
        match expected {
            ExpectedBody::Any => format!("any body was expected, {got} bytes came"),
            ExpectedBody::Digest { len, .. } if got == *len => {
                format!("expected a body of {len} bytes, got as many others")
            }
            ExpectedBody::Digest { len, .. } => {
                format!("expected a body of {len} bytes, got {got}")
            }
            ExpectedBody::Exactly(want) => {
                let at = self.matched;
                let from = at.saturating_sub(BEFORE);
                let shown = [&want[from..at], &self.different[..]].concat();
                let cut = (at + self.different.len()) as u64;
                let after = if got > cut { "…" } else { "" };
                let before = if from > 0 { "…" } else { "" };
                format!(
                    "expected a body of {} bytes, got {got}; first difference at byte {at}: \
                     expected {}, got {before}\"{}\"{after}",
                    want.len(),
                    excerpt(want, from, at + AFTER),
                    shown.escape_ascii()
                )
            }
        }
    }
}

impl std::fmt::Debug for BodyCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { len, matched, .. } = self;
        f.debug_struct("BodyCheck").field("len", len).field("matched", matched).finish()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    fn check(parts: &[&[u8]], expected: &ExpectedBody) -> BodyCheck {
        let mut check = BodyCheck::new(expected);
        parts.iter().for_each(|part| check.add(part, expected));
        check
    }

    #[test]
    fn in_parts() {
        let exactly = ExpectedBody::Exactly(Bytes::from_static(b"hello world"));
        let digest = ExpectedBody::Digest { len: 11, xxh3: xxh3_64(b"hello world") };
        let cases: [(&[&[u8]], bool, bool); 5] = [
            (&[b"hello", b" world"], true, false),
            (&[b"hello", b" "], false, true),
            (&[b"hello", b" there", b" world"], false, false),
            (&[b"hello world", b"!"], false, false),
            (&[b"hullo world"], false, false),
        ];
        for (parts, equal, cut_off) in cases {
            let checked = check(parts, &exactly);
            assert_eq!(
                (checked.is_equal(&exactly), checked.is_cut_off(&exactly)),
                (equal, cut_off)
            );
            assert_eq!(check(parts, &digest).is_equal(&digest), equal, "{parts:?}");
            assert!(check(parts, &ExpectedBody::Any).is_equal(&ExpectedBody::Any));
        }
    }

    #[test]
    fn what_is_kept_does_not_grow() {
        let exactly = ExpectedBody::Exactly(Bytes::from_static(b"hello"));
        let mut checked = BodyCheck::new(&exactly);
        for _ in 0..2000 {
            checked.add(&[b'x'; 1000], &exactly);
        }
        assert_eq!((checked.len, checked.different.len()), (2_000_000, AFTER));
        assert!(checked.is_too_long(&exactly));
    }
}

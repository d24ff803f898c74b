//! The reference response of a server: what the others are compared with.

use bytes::Bytes;
use duet_protocol::BodyDigest;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::request::exchange::ExpectedBody;
use crate::request::session::{Observed, TAKEN_BYTES_MAX};

/// The longest body that is kept, in bytes. Of a longer one a digest is.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// A response, read with the full parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceResponse {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`, as text.
    pub content_type: Option<String>,
    /// Its header fields, names and values.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Its body, without framing, as what others are compared with; never [`ExpectedBody::Any`].
    pub body: ExpectedBody,
    /// Whether the connection stays open behind it.
    pub persistent: bool,
    /// How many requests the server allows to be in flight on a connection; none: HTTP/1.1.
    pub streams_max: Option<usize>,
}

impl ReferenceResponse {
    /// The first value of a field, as text.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        let (_, value) = self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// What of it values are taken from.
    #[must_use]
    pub fn observed(&self) -> Observed {
        let body = match &self.body {
            ExpectedBody::Exactly(body) if body.len() <= TAKEN_BYTES_MAX => Some(body.to_vec()),
            _ => None,
        };
        Observed { fields: self.fields.clone(), body }
    }
}

/// Reads a body that is to be expected of the responses that follow.
#[derive(Default)]
pub(crate) struct BodyLearner {
    kept: Vec<u8>,
    len: u64,
    digest: Box<Xxh3>,
}

impl BodyLearner {
    /// Takes the next part.
    pub(crate) fn add(&mut self, part: &[u8]) {
        self.digest.update(part);
        self.len += part.len() as u64;
        if self.len <= KEPT_BYTES_MAX as u64 {
            self.kept.extend_from_slice(part);
        } else {
            self.kept = vec![];
        }
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The body, which is whole.
    pub(crate) fn finish(self) -> ExpectedBody {
        match self.len <= KEPT_BYTES_MAX as u64 {
            true => ExpectedBody::Exactly(Bytes::from(self.kept)),
            false => ExpectedBody::Digest { len: self.len, xxh3: self.digest.digest() },
        }
    }
}

/// What stands for a body that is to be expected and is no text.
#[must_use]
pub fn digest(body: &[u8]) -> BodyDigest {
    BodyDigest { bytes: body.len() as u64, xxh3: xxh3_64(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_bodies_are_kept_and_long_ones_are_not() {
        let learn = |parts: usize| {
            let mut learner = BodyLearner::default();
            (0..parts).for_each(|_| learner.add(&[b'x'; 1 << 20]));
            assert!(learner.kept.len() <= KEPT_BYTES_MAX);
            learner.finish()
        };
        assert_eq!(learn(8), ExpectedBody::Exactly(vec![b'x'; 8 << 20].into()));
        let ExpectedBody::Digest { len, xxh3 } = learn(9) else { panic!("it is long") };
        assert_eq!((len, xxh3), (9 << 20, xxh3_64(&vec![b'x'; 9 << 20])));
    }
}

//! Bodies that are made by a rule, so that definitions and records need not hold them.

use serde::{Deserialize, Serialize};

/// A body of ASCII characters: byte j of a chunk is character
/// (mix(seed + ⌊j/4⌋) >> 8 (j mod 4)) mod 64 of [`ALPHABET`], with Knuth's multiplicative hash
/// mix(x) = x · 2654435761 mod 2³² (The Art of Computer Programming, volume 3, 6.4), and the body
/// is that chunk again and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GeneratedBody {
    /// Its length in bytes, at most [`Self::BYTES_MAX`].
    pub bytes: u32,
    /// Decides its characters.
    pub seed: u32,
}

/// The characters.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl GeneratedBody {
    /// The longest one: no response may be longer.
    pub const BYTES_MAX: u32 = 64 << 20;

    /// The length of a chunk.
    pub const CHUNK_BYTES: usize = 16 << 10;

    /// The whole body.
    #[must_use]
    pub fn text(self) -> String {
        let bytes = self.bytes as usize;
        let chunk = self.characters(bytes.min(Self::CHUNK_BYTES));
        let mut text = chunk.repeat(bytes.div_ceil(Self::CHUNK_BYTES));
        text.truncate(bytes);
        text
    }

    /// What it consists of.
    #[must_use]
    pub fn chunk(self) -> String {
        self.characters(Self::CHUNK_BYTES)
    }

    /// The first `bytes` characters of it, or up to three more.
    fn characters(self, bytes: usize) -> String {
        let words = 0..bytes.div_ceil(4) as u64;
        let mixed = words.map(|word| (u64::from(self.seed) + word).wrapping_mul(2_654_435_761));
        let of_word =
            |mixed: u64| [0, 8, 16, 24].map(|shift| ALPHABET[(mixed >> shift & 63) as usize]);
        mixed.flat_map(of_word).map(char::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of CONTRACT.md, and chunks that follow each other.
    #[test]
    fn bodies() {
        let body = |bytes| GeneratedBody { bytes, seed: 7 }.text();
        assert_eq!(body(16), "XTETIN7x5HzPqAqu");
        let long = body(40_000);
        assert_eq!(long.len(), 40_000);
        assert_eq!(&long[..16_384], &long[16_384..32_768]);
        assert!(long.starts_with(&long[32_768..]));
        assert_eq!(body(0), "");
    }
}

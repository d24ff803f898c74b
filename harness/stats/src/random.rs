//! Random numbers that a seed decides.

/// Random numbers from a seed: the generator SplitMix64 (G. Steele, D. Lea and C. Flood, "Fast
/// splittable pseudorandom number generators", 2014), with the constants of S. Vigna's
/// `splitmix64.c`. Small and fixed for ever, so that a stored seed gives the same plan in every
/// version of this program.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The sequence of a seed, a name and an index: different in all three.
    #[must_use]
    pub fn derived(seed: u64, name: &str, index: u32) -> Self {
        let named =
            name.bytes().fold(Self(seed).next(), |state, b| Self(state ^ u64::from(b)).next());
        Self(Self(named ^ u64::from(index)).next())
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "an endless sequence needs no Option")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end` - 1. Favours some by at most `end` in 2^64 (D. Lemire, "Fast random
    /// integer generation in an interval", 2019, without the rejection step).
    pub fn below(&mut self, end: u32) -> u32 {
        // The product is below end * 2^64, so its upper half is below end.
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u32
    }

    /// A number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference output of `splitmix64.c` for the seed 1234567.
    #[test]
    fn splitmix64_is_the_published_one() {
        let mut random = SplitMix64::new(1_234_567);
        let got: Vec<u64> = (0..3).map(|_| random.next()).collect();
        let want =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(got, want);
    }
}

//! Positions of a request that differ each time: `{seq}`, a number of the load's requests, and
//! `{rand}`, a random one. Both have as many digits each time, so that nothing else of the request
//! changes, its length included; `{seq:4}` has four of them.

use super::selector;

/// Digits where none are asked for.
const DIGITS: usize = 10;
/// The most digits: what a 64-bit number has for certain.
const DIGITS_MAX: usize = 19;

/// Digits within a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placeholder {
    /// Where they begin.
    pub at: usize,
    /// How many there are; at least 1.
    pub digits: usize,
    /// What they say.
    pub number: PlaceholderKind,
    /// Which of the request's places it is, from 1: each has a random number of its own.
    pub which: u64,
}

/// What digits say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceholderKind {
    /// The number of the request among all of the load, from 0; its last digits where it is longer.
    Sequence,
    /// A random number, which follows from the seed and the number of the request.
    Random,
}

impl PlaceholderKind {
    /// What stands for a number by its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "seq" => Some(Self::Sequence),
            "rand" => Some(Self::Random),
            _ => None,
        }
    }
}

/// Replaces the placeholders of `text` by zeros and says where they are.
#[must_use]
pub fn find(text: &[u8]) -> (Vec<u8>, Vec<Placeholder>) {
    let mut out = Vec::with_capacity(text.len());
    let mut placeholders = vec![];
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        match parse(rest) {
            Some((number, digits, length)) => {
                let which = placeholders.len() as u64 + 1;
                placeholders.push(Placeholder { at: out.len(), digits, number, which });
                out.resize(out.len() + digits, b'0');
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = behind;
            }
        }
    }
    (out, placeholders)
}

/// The placeholder that `text` starts with: what it is, its digits, its length.
#[must_use]
pub fn parse(text: &[u8]) -> Option<(PlaceholderKind, usize, usize)> {
    let inner = text.strip_prefix(b"{")?;
    let end = inner.iter().take(8).position(|&b| b == b'}')?; // {rand:19} is the longest
    let inner = str::from_utf8(&inner[..end]).ok()?;
    let (name, digits) = inner.split_once(':').map_or((inner, None), |(n, d)| (n, Some(d)));
    let number = PlaceholderKind::named(name)?;
    let digits = match digits {
        None => DIGITS,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    (1..=DIGITS_MAX).contains(&digits).then_some((number, digits, end + 2))
}

/// Writes the digits of request `index` into its bytes.
#[inline]
pub(super) fn apply(placeholders: &[Placeholder], request: &mut [u8], seed: u64, index: u64) {
    placeholders.iter().for_each(|&place| write(place, request, seed, index));
}

/// The same of one of them.
#[inline]
pub(super) fn write(place: Placeholder, request: &mut [u8], seed: u64, index: u64) {
    let mut number = match place.number {
        PlaceholderKind::Sequence => index,
        PlaceholderKind::Random => selector::random(seed, index, place.which),
    };
    for digit in request[place.at..place.at + place.digits].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        use PlaceholderKind::{Random, Sequence};
        type Case<'a> = (&'a str, &'a str, &'a [(usize, usize, PlaceholderKind)]);
        let cases: [Case<'_>; 7] = [
            ("/a", "/a", &[]),
            ("/{seq}", "/0000000000", &[(1, 10, Sequence)]),
            ("{rand:3}-{seq:1}!", "000-0!", &[(0, 3, Random), (4, 1, Sequence)]),
            ("{rand:19}", "0000000000000000000", &[(0, 19, Random)]),
            ("{\"seq\":{seq:2}}", "{\"seq\":00}", &[(7, 2, Sequence)]),
            ("{{seq:1}}", "{0}", &[(1, 1, Sequence)]),
            ("{seq {seq:0} {seq:20} {seq:} {seq:+1} {Seq}", "", &[]),
        ];
        for (text, expected, places) in cases {
            let (out, placeholders) = find(text.as_bytes());
            let expected = if places.is_empty() { text } else { expected };
            assert_eq!(String::from_utf8_lossy(&out), expected);
            let got: Vec<_> = placeholders.iter().map(|p| (p.at, p.digits, p.number)).collect();
            assert_eq!(got, places, "{text}");
        }
    }

    #[test]
    fn digits() {
        let of = |text: &str, seed, index| {
            let (mut bytes, placeholders) = find(text.as_bytes());
            apply(&placeholders, &mut bytes, seed, index);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        assert_eq!(of("/{seq:4}/{seq:2}", 1, 1234), "/1234/34");
        assert_eq!(of("{seq}", 1, 7), "0000000007");
        assert_eq!(of("{rand}", 1, 7), of("{rand}", 1, 7));
        assert_ne!(of("{rand}", 1, 7), of("{rand}", 1, 8));
        assert_ne!(of("{rand}", 1, 7), of("{rand}", 2, 7));
        let two = of("{rand}{rand}", 1, 7);
        assert_ne!(two[..10], two[10..], "each place has a number of its own");
        let mut seen = [0; 10];
        (0..10_000).for_each(|i| seen[of("{rand:1}", 9, i).parse::<usize>().unwrap_or(0)] += 1);
        // Five standard deviations are 150.
        assert!(seen.iter().all(|n| (850..1150).contains(n)), "{seen:?}");
    }
}

//! A range of memory limits, as people write it: `32MiB..256MiB`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::format::bytes;

/// Below this no process starts, and above it no machine has it: a slip of the pen.
const BYTES: std::ops::RangeInclusive<u64> = (256 << 10)..=(1 << 40);

/// The least and the most memory that a search tries as a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MemoryRange {
    /// The smallest limit, at least 256 KiB.
    pub least_bytes: u64,
    /// The largest, above it.
    pub most_bytes: u64,
}

impl FromStr for MemoryRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| {
            "write two sizes, the smaller first, such as \"32MiB..256MiB\", from 256KiB to 1024GiB"
                .to_owned()
        })
    }
}

fn parse(text: &str) -> Option<MemoryRange> {
    let (least, most) = text.split_once("..")?;
    let (least_bytes, most_bytes) = (size(least.trim())?, size(most.trim())?);
    let fits =
        least_bytes < most_bytes && [least_bytes, most_bytes].iter().all(|n| BYTES.contains(n));
    fits.then_some(MemoryRange { least_bytes, most_bytes })
}

/// Whole KiB, MiB or GiB.
fn size(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (number, shift) =
        units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl fmt::Display for MemoryRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", bytes(self.least_bytes as f64), bytes(self.most_bytes as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let cases = [
            ("32MiB..256MiB", Some((32 << 20, 256 << 20))),
            ("4096KiB .. 1 GiB", Some((4 << 20, 1 << 30))),
            ("1MiB..1024GiB", Some((1 << 20, 1 << 40))),
            ("256MiB..32MiB", None),
            ("32MiB..32MiB", None),
            ("256KiB..2MiB", Some((256 << 10, 2 << 20))),
            ("255KiB..2MiB", None),
            ("1MiB..1025GiB", None),
            ("32..256", None),
            ("32MB..256MB", None),
            ("-1MiB..2MiB", None),
            ("1MiB..18446744073709551615GiB", None),
            ("32MiB", None),
            ("", None),
        ];
        for (text, want) in cases {
            let got = text.parse::<MemoryRange>().ok().map(|r| (r.least_bytes, r.most_bytes));
            assert_eq!(got, want, "{text}");
        }
    }
}

//! A cache of entries in a server's own memory (CONTRACT.md, 4.8): what is stored, read and
//! replaced there, by a rule, so that definitions and records need not hold it.

use serde::{Deserialize, Serialize};

use super::body::GeneratedBody;

/// The entries of a workload. A load says how many there are: they have the ids from 1 on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Entries {
    /// The path below which they are, without a slash at its end.
    pub path: String,
    /// The length of a value.
    pub value_bytes: u32,
}

/// Entries that a load reads and replaces, at most: more than fit a CPU's nearest caches, and few
/// enough to tell the generator of each.
const DRIVEN_MAX: u32 = 8192;

/// Of so many entries that are driven one is replaced, and the others are read.
const PUT_EVERY: u32 = 10;

/// Seeds of two ids, and of an id's two values, are so far apart that values have no part in
/// common: a value of 1,024 bytes takes 256 of them.
const SEEDS_PER_ID: u32 = 1000;
/// From the seed of an entry's first value to that of the one that replaces it.
const SECOND_SEED: u32 = 500;

/// Which value an entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// The one that it is filled with.
    First,
    /// The one that the load puts in its place.
    Second,
}

impl Entries {
    /// The longest value.
    pub const VALUE_BYTES_MAX: u32 = 1024;

    /// The most entries: their seeds are 32 bits.
    pub const COUNT_MAX: u32 = 4_000_000;

    /// A value, by the rule of generated bodies with the seed 1000 id, and 500 more for the second.
    #[must_use]
    pub fn value(&self, id: u32, value: Value) -> String {
        let second = if value == Value::Second { SECOND_SEED } else { 0 };
        let seed = id.wrapping_mul(SEEDS_PER_ID).wrapping_add(second);
        GeneratedBody { bytes: self.value_bytes, seed }.text()
    }

    /// The ids that a load drives, at equal distances in `entries` of them, each with whether it is
    /// replaced.
    pub fn driven(entries: u32) -> impl Iterator<Item = (u32, bool)> {
        let driven = entries.min(DRIVEN_MAX);
        (0..driven).map(move |n| {
            // Below `entries`, which is 32 bits.
            let id = u64::from(n) * u64::from(entries) / u64::from(driven) + 1;
            (id as u32, n % PUT_EVERY == PUT_EVERY - 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn values_follow_from_ids() {
        let entries = Entries { path: "/kv".to_owned(), value_bytes: 100 };
        let values = |id| [Value::First, Value::Second].map(|value| entries.value(id, value));
        assert_eq!(values(7)[0], GeneratedBody { bytes: 100, seed: 7000 }.text());
        assert_eq!(values(7)[1], GeneratedBody { bytes: 100, seed: 7500 }.text());
        let all: BTreeSet<String> = (1..=1000).flat_map(values).collect();
        assert_eq!(all.len(), 2000);
        assert!(all.iter().all(|value| value.len() == 100));
    }

    #[test]
    fn driven_entries_are_spread() {
        for entries in [1, 9, 10, 8192, 8193, 1_000_000, Entries::COUNT_MAX] {
            let all: Vec<(u32, bool)> = Entries::driven(entries).collect();
            let ids: BTreeSet<u32> = all.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids.len(), all.len(), "each once of {entries}");
            assert!(ids.iter().all(|id| (1..=entries).contains(id)), "{entries}");
            let replaced = all.iter().filter(|(_, replaced)| *replaced).count();
            assert_eq!(replaced, all.len() / 10, "{entries}");
        }
    }
}

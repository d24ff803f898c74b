//! Histograms of service time as they travel in records: HdrHistogram V2, deflated, base64.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

/// Significant digits of merged histograms, as of those the generator records.
const DIGITS: u8 = 3;

/// The sum of histograms.
///
/// # Errors
/// When one of them is damaged.
pub(super) fn merge<'a>(encoded: impl IntoIterator<Item = &'a str>) -> Result<Histogram<u64>> {
    Ok(sum(&read(encoded)?))
}

/// Histograms one by one.
///
/// # Errors
/// When one of them is damaged.
pub(super) fn read<'a>(encoded: impl IntoIterator<Item = &'a str>) -> Result<Vec<Histogram<u64>>> {
    let mut deserializer = Deserializer::new();
    let mut one = |text: &str| -> Result<Histogram<u64>> {
        let bytes = STANDARD.decode(text).context("a histogram is not base64")?;
        deserializer.deserialize(&mut bytes.as_slice()).context("a histogram is damaged")
    };
    encoded.into_iter().map(&mut one).collect()
}

/// The sum of histograms that were read.
pub(super) fn sum<'a>(histograms: impl IntoIterator<Item = &'a Histogram<u64>>) -> Histogram<u64> {
    // A resizing histogram takes any value, and DIGITS is in the range that is allowed (0 to 5).
    let mut sum = Histogram::new(DIGITS).expect("DIGITS is allowed");
    for one in histograms {
        sum.add(one).expect("a resizing histogram takes any other");
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_model::testing::encode;

    #[test]
    fn merging() {
        let texts = [encode(&[1_000, 2_000]), encode(&[3_000, 4_000_000_000]), encode(&[])];
        let merged = merge(texts.iter().map(String::as_str)).expect("all are well formed");
        assert_eq!(merged.len(), 4);
        assert!(merged.equivalent(merged.value_at_quantile(0.5), 2_000));
        assert!(merged.equivalent(merged.max(), 4_000_000_000));
    }

    #[test]
    fn damage_is_named() {
        let cut = &encode(&[1_000])[..16];
        for (text, want) in [("%", "not base64"), ("AAAA", "damaged"), (cut, "damaged")] {
            let error = merge([text]).expect_err("it is damaged");
            assert!(error.to_string().contains(want), "{text}: {error}");
        }
    }
}

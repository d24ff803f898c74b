//! Histograms of service time as they travel in records: HdrHistogram V2, deflated, base64.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

/// Significant digits of merged histograms, as of those the generator records.
const DIGITS: u8 = 3;

/// A histogram from its text.
///
/// # Errors
/// When it is damaged.
pub(super) fn read(text: &str) -> Result<Histogram<u64>> {
    let bytes = STANDARD.decode(text).context("a histogram is not base64")?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).context("a histogram is damaged")
}

/// A histogram as text, with so many significant digits.
///
/// # Errors
/// When it cannot be written, which would be a mistake of ours.
pub(super) fn encode(histogram: &Histogram<u64>, digits: u8) -> Result<String> {
    let mut coarse = Histogram::<u64>::new(digits)?;
    coarse.add(histogram)?;
    let mut bytes = vec![];
    let encoded = V2DeflateSerializer::new().serialize(&coarse, &mut bytes);
    encoded.context("failed to encode a histogram")?;
    Ok(STANDARD.encode(bytes))
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
    use super::encode as encode_coarse;
    use super::{read, sum};
    use duet_model::testing::encode;

    #[test]
    fn merging() {
        let texts = [encode(&[1_000, 2_000]), encode(&[3_000, 4_000_000_000]), encode(&[])];
        let read: Vec<_> =
            texts.iter().map(|text| read(text).expect("all are well formed")).collect();
        let merged = sum(&read);
        assert_eq!(merged.len(), 4);
        assert!(merged.equivalent(merged.value_at_quantile(0.5), 2_000));
        assert!(merged.equivalent(merged.max(), 4_000_000_000));
        let coarse = super::read(&encode_coarse(&merged, 2).expect("it is encoded"));
        let coarse = coarse.expect("it is read back");
        assert_eq!((coarse.len(), coarse.sigfig()), (4, 2));
        assert!(coarse.value_at_quantile(0.5).abs_diff(2_000) <= 20);
    }

    #[test]
    fn damage_is_named() {
        let cut = &encode(&[1_000])[..16];
        for (text, want) in [("%", "not base64"), ("AAAA", "damaged"), (cut, "damaged")] {
            let error = read(text).expect_err("it is damaged");
            assert!(error.to_string().contains(want), "{text}: {error}");
        }
    }
}

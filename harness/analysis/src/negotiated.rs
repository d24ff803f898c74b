//! Whether the arms of a cell agreed on the same TLS. Where they did not, a ratio would be one of
//! ciphers as much as of servers.

use duet_model::record::BlockRecord;
use duet_protocol::Negotiated;

/// Why there may be no ratio: in some block the arms differ. `names` are theirs.
pub(super) fn refusal<'a>(
    names: &[&str],
    mut blocks: impl Iterator<Item = &'a BlockRecord>,
) -> Option<String> {
    let differ = |b: &&BlockRecord| b.arms.windows(2).any(|p| p[0].negotiated != p[1].negotiated);
    let block = blocks.find(differ)?;
    let told = names.iter().zip(&block.arms);
    let told: Vec<String> =
        told.map(|(name, arm)| format!("{name} on {}", text(arm.negotiated.as_ref()))).collect();
    Some(format!(
        "the arms agreed on different TLS, {}: have both servers offer the same version, group, \
         cipher and protocol",
        told.join(", ")
    ))
}

fn text(negotiated: Option<&Negotiated>) -> String {
    let Some(Negotiated { version, group, cipher, alpn }) = negotiated else {
        return "none".to_owned();
    };
    let parts: Vec<&str> =
        [version, group, cipher, alpn].into_iter().flatten().map(String::as_str).collect();
    parts.join(" ")
}

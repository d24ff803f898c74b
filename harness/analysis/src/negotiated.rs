//! Whether the arms of a cell agreed on the same TLS. Where they did not, a ratio would be one of
//! ciphers as much as of servers.

use duet_model::record::BlockRecord;
use duet_model::spec::Load;
use duet_protocol::{Handshakes, Negotiated};

/// Of a hundred handshakes of a load that resumes sessions, so many must. A full one takes several
/// times as long, so that one in a hundred is a few per cent of the work.
const RESUMED_PERCENT_MIN: u64 = 99;

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

/// Why there may be no ratio of a load that resumes sessions: an arm did not, in most handshakes,
/// so that its server did other work.
pub(super) fn unresumed<'a>(
    names: &[&str],
    load: &Load,
    blocks: impl Iterator<Item = &'a BlockRecord>,
) -> Option<String> {
    if !load.tls_resume {
        return None;
    }
    let mut arms: Vec<Handshakes> = vec![];
    for block in blocks {
        arms.resize(block.arms.len(), Handshakes::default());
        for (sum, arm) in arms.iter_mut().zip(&block.arms) {
            let made = arm.handshakes.unwrap_or_default();
            *sum = Handshakes { full: sum.full + made.full, resumed: sum.resumed + made.resumed };
        }
    }
    let few = |arm: &Handshakes| arm.resumed * 100 < arm.total() * RESUMED_PERCENT_MIN;
    let arm = arms.iter().position(|arm| few(arm) || arm.total() == 0)?;
    Some(format!(
        "{} resumed {} of {} TLS sessions, fewer than {RESUMED_PERCENT_MIN} %: have it issue a \
         session ticket on each connection",
        names.get(arm).copied().unwrap_or("an arm"),
        arms[arm].resumed,
        arms[arm].total()
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

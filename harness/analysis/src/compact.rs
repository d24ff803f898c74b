//! A block as it is kept: what is judged of its windows' times in the place of their histograms,
//! and one histogram of each arm. Whatever is derived from it is the same.

use crate::histogram;
use crate::rounds::rounds;
use crate::search;
use crate::times::Decoded;
use duet_model::record::{ArmHistograms, ArmRecord, BlockRecord};

/// Significant digits of an arm's histograms. No verdict is derived from them: the quantiles that
/// are judged are kept beside them, to all digits. Two take a quarter of the room of three.
const DIGITS: u8 = 2;

/// Takes the histograms of a block's windows out, and puts in what is judged of them. A block that
/// failed keeps them, and so does one with a round that cannot be used or a histogram that is
/// damaged: which of its windows are judged is another analysis's affair.
pub fn compact(block: &mut BlockRecord) {
    if block.windows.iter().any(|window| window.times.is_some()) {
        return;
    }
    let Some(judged) = judged(block) else { return };
    let decoded: anyhow::Result<Vec<Decoded>> = block.windows.iter().map(Decoded::of).collect();
    let Ok(decoded) = decoded else { return };
    let mut arms = vec![];
    for arm in 0..block.arms.len() {
        let windows = block.windows.iter().zip(&decoded).zip(&judged);
        let own = windows.filter(|((window, _), judged)| window.arm as usize == arm && **judged);
        let all = Decoded::sum(&own.map(|((_, decoded), _)| decoded).collect::<Vec<_>>());
        let coarse = |times| histogram::encode(times, DIGITS);
        let Ok(service_time) = coarse(&all.service) else { return };
        let response_time = all.open.as_ref().map(|open| coarse(&open.response));
        let Ok(response_time) = response_time.transpose() else { return };
        arms.push((all.times(), ArmHistograms { service_time, response_time }));
    }
    for (arm, (times, histograms)) in block.arms.iter_mut().zip(arms) {
        *arm = ArmRecord { times: Some(times), histograms: Some(histograms), ..arm.clone() };
    }
    for (window, decoded) in block.windows.iter_mut().zip(decoded) {
        window.times = Some(decoded.times().of_window());
        window.service_time = None;
        if let Some(events) = &mut window.events {
            events.lateness = None;
        }
        if let Some(open) = &mut window.open {
            open.response_time = None;
            open.response_time_lower_bounds = None;
            open.send_lag = None;
            open.generator_lag = None;
        }
    }
}

/// Of each window, whether its times are judged together with the others of its arm; absent where
/// that cannot be said.
fn judged(block: &BlockRecord) -> Option<Vec<bool>> {
    if block.failure.is_some() {
        return None;
    }
    if block.arms.iter().any(|arm| arm.search.is_some()) {
        let upper = |window| search::is_upper(block, window);
        return Some(block.windows.iter().map(upper).collect());
    }
    let all_whole = rounds(block).is_ok_and(|rounds| rounds.dropped == 0);
    all_whole.then(|| vec![true; block.windows.len()])
}

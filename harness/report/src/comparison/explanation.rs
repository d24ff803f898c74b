//! Why a verdict is what it is: the log ratios, the estimate, the tests and the rule, in order.

use super::wording;
use crate::Style;
use crate::document::{Block, Emphasis, Span};
use crate::render;
use duet_analysis::comparison::{
    ComparedCell, ComparedMetric, Comparison, GateVerdict, Gated, Judgement,
};

/// The explanation of every metric whose name contains `metric`, in cells whose name contains
/// `only`.
///
/// # Errors
/// The names of the metrics that there are, where none fits.
pub fn explanation(
    comparison: &Comparison,
    metric: &str,
    only: &str,
    style: Style,
) -> Result<String, Vec<String>> {
    let cells = comparison.cells.iter().filter(|cell| cell.id.to_string().contains(only));
    let metrics = || cells.clone().flat_map(|cell| cell.metrics.iter().map(move |m| (cell, m)));
    let named = metrics().filter(|(_, m)| m.metric.name().contains(metric));
    let blocks: Vec<Block> = named.flat_map(|(cell, m)| explain(cell, m)).collect();
    if blocks.is_empty() {
        let mut names: Vec<String> = metrics().map(|(_, m)| m.metric.name().to_owned()).collect();
        names.sort();
        names.dedup();
        return Err(names);
    }
    Ok(render::text::blocks(&blocks, style))
}

fn explain(cell: &ComparedCell, m: &ComparedMetric) -> [Block; 4] {
    let row = wording::row(m);
    let title = format!("{} {}: {}", cell.id, m.metric.label(), row.verdict);
    let emphasis = m.gated.as_ref().map_or(Emphasis::Strong, |_| row.emphasis);
    let how = format!(
        "In each of {} both versions were {}. The head against the base, block by block (+ is \
         worse):",
        duet_units::count(m.log_ratios.len(), "block"),
        match cell.programs {
            true => "run once, one after the other in alternating order",
            false => "started afresh and driven in alternating windows",
        }
    );
    let blocks: Vec<String> = m.log_ratios.iter().map(|c| wording::signed(c.exp_m1())).collect();
    [
        Block::Heading(vec![Span::new(title, emphasis)]),
        Block::paragraph(how, Emphasis::Plain),
        Block::paragraph(blocks.join("  "), Emphasis::Plain),
        Block::points(sentences(cell, m)),
    ]
}

fn sentences(cell: &ComparedCell, m: &ComparedMetric) -> Vec<String> {
    let row = wording::row(m);
    let interval = match row.interval.is_empty() {
        true => String::new(),
        false => format!("; 95 % interval {}, by the exact law of signed ranks", row.interval),
    };
    let mut sentences = vec![format!(
        "Estimate: {}, the median of the averages of all pairs of blocks \
         (Hodges-Lehmann){interval}.",
        row.change,
    )];
    match &m.gated {
        Some(gated) => sentences.extend(of_gated(gated)),
        None => sentences.extend(of_ungated(m)),
    }
    if let Some(detectable) = m.smallest_detectable {
        sentences.push(format!(
            "Power: so many blocks with this spread show a change of {} four times in five.",
            duet_units::percent(detectable.exp_m1())
        ));
    }
    let stolen = cell.stolen_shares.iter().copied().fold(0.0_f64, f64::max);
    let stolen = duet_units::percent(stolen);
    let whose = if cell.programs { "programs'" } else { "servers'" };
    sentences
        .push(format!("The hypervisor stole at most {stolen} of the {whose} time in a block."));
    sentences
}

fn of_gated(gated: &Gated) -> Vec<String> {
    let judgement = &gated.judgement;
    let percent = |ln: f64| duet_units::percent(ln.exp_m1());
    let mut sentences = vec![];
    if let Some(waiver) = &gated.waiver {
        sentences.push(format!(
            "Waiver: up to {} worse is accepted until {}: {}.",
            duet_units::percent(waiver.margin),
            waiver.expires,
            waiver.reason
        ));
    }
    let floor = judgement.floor.map_or_else(String::new, |floor| {
        let experiments = duet_units::count(floor.experiments as usize, "null experiment");
        format!(", the noise floor {} (by {experiments})", percent(floor.nu))
    });
    sentences.push(format!(
        "Rule: REGRESSED when surely more than {} worse, PASS when surely less than {} worse; the \
         margin is {}{floor}.",
        percent(judgement.fail_bar),
        percent(judgement.margin),
        percent(judgement.margin)
    ));
    sentences.extend(tests(judgement));
    if let Some(second) = &gated.confirmation {
        sentences.push(format!(
            "A second experiment with blocks of its own estimates {} and {}.",
            second.estimate.map_or_else(|| "nothing".to_owned(), |e| wording::signed(e.exp_m1())),
            match second.verdict {
                GateVerdict::Regressed => "confirms it",
                GateVerdict::Pass => "contradicts it",
                GateVerdict::Inconclusive => "does not confirm it",
            }
        ));
    }
    if let Some(reason) = &judgement.reason {
        sentences.push(format!("Inconclusive: {reason}."));
    }
    sentences
}

/// The tests at the look that decided, or at the last one.
fn tests(judgement: &Judgement) -> Vec<String> {
    let Some(look) = judgement.look else {
        return vec!["No look was reached, so nothing was tested.".to_owned()];
    };
    let p = |value: Option<f64>| match value {
        Some(p) if p < 0.0001 => "p < 0.0001".to_owned(),
        Some(p) => format!("p = {p:.4}"),
        None => "no p value".to_owned(),
    };
    vec![format!(
        "Tests at the look after {} (level {:.3}): that it is not worse than {}, {} ({} by Holm \
         over all gated metrics); that it is worse by {} or more, {}.",
        duet_units::count(look.blocks as usize, "block"),
        look.alpha,
        duet_units::percent(judgement.fail_bar.exp_m1()),
        p(judgement.p_regressed),
        p(judgement.p_regressed_holm),
        duet_units::percent(judgement.margin.exp_m1()),
        p(judgement.p_pass),
    )]
}

fn of_ungated(m: &ComparedMetric) -> Vec<String> {
    let mut sentences = vec![
        "Rule: not gated. Better or worse where the whole interval lies on one side of ±1 %, a \
         tie where it lies within, else inconclusive."
            .to_owned(),
    ];
    if let Some(q) = m.q {
        sentences.push(format!(
            "As one of many metrics it has {} (Benjamini and Hochberg); at most 0.05 and worse, it \
             warns.",
            wording::adjusted(q)
        ));
    }
    if let Some(reason) = &m.reason {
        sentences.push(format!("Inconclusive: {reason}."));
    }
    sentences
}

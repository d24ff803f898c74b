//! How estimate and interval grew with the blocks, and what the looks saw.

use super::changes_axis::ChangesAxis;
use super::page::mark;
use super::strips::{Area, Strips, numbers, rule, strips};
use crate::chart::canvas::{Anchor, Canvas, Picture};
use crate::chart::palette::{BAND, MUTED, TEXT};
use crate::chart::typography::SMALL;
use duet_analysis::comparison::{ComparedMetric, Comparison};

/// Height of the numbers of blocks.
const NUMBERS: i32 = 22;

/// Estimate and interval after so many blocks.
pub(super) fn looks(comparison: &Comparison) -> Option<Picture> {
    let mut said = vec![
        "Line and shade: the estimate and its 95 % interval after so many blocks. + is worse for \
         the head."
            .to_owned(),
    ];
    if comparison.gate.is_some() {
        said.push(
            "Verdicts are sought at the looks alone (upright lines). The mark is at the look that \
             decided, or the last one made. The brackets beside it are one-sided bounds, with the \
             part of the level that this look may spend; the verdict rests on them: PASS where the \
             upper one is below the margin, REGRESSED where the lower one is above margin and \
             noise floor."
                .to_owned(),
        );
    }
    let kind = Strips {
        title: "How sure, after how many blocks?",
        said,
        beneath: NUMBERS,
        shown: |metric| !metric.interval_history.is_empty(),
        extent,
    };
    let looks =
        |canvas: &mut Canvas<'_>, metric: &ComparedMetric, scale: &ChangesAxis, area: Area| {
            let (first, last) = span(metric);
            for look in &comparison.looks {
                let blocks = look.blocks as usize;
                if (first..=last).contains(&blocks) {
                    let x = area.x(blocks - first, last + 1 - first);
                    canvas.line((x, area.top), (x, area.bottom), 1, MUTED);
                }
            }
            judged(canvas, metric, scale, area);
        };
    strips(
        comparison,
        &kind,
        |canvas, metric, (scale, area)| {
            interval_history(canvas, metric, scale, area);
            looks(canvas, metric, scale, area);
        },
        |canvas, cell, area| {
            if let Some(metric) = cell.principal().iter().find(|m| !m.interval_history.is_empty()) {
                numbers(canvas, area, span(metric), area.top + 4);
                let at = (area.right + 5, area.top + 4);
                canvas.text(at, Anchor::Start, 47, SMALL, "blocks");
            }
        },
    )
}

/// The numbers of blocks that have an interval.
fn span(metric: &ComparedMetric) -> (usize, usize) {
    let ends = metric.interval_history.first().zip(metric.interval_history.last());
    ends.map_or((1, 1), |(first, last)| (first.blocks as usize, last.blocks as usize))
}

fn extent(metric: &ComparedMetric) -> Vec<f64> {
    let intervals = metric.interval_history.iter().map(|so_far| so_far.interval);
    let history = intervals.flat_map(|interval| [interval.low, interval.high]);
    let gated = metric.gated.iter().flat_map(|gated| {
        let judgement = &gated.judgement;
        let bounds = judgement.lower.into_iter().chain(judgement.upper);
        bounds.chain([judgement.margin, judgement.fail_bar])
    });
    history.chain(gated).collect()
}

fn interval_history(
    canvas: &mut Canvas<'_>,
    metric: &ComparedMetric,
    scale: &ChangesAxis,
    area: Area,
) {
    let n = metric.interval_history.len();
    for (i, so_far) in metric.interval_history.iter().enumerate() {
        let (left, right) = area.slot(i, n);
        let (low, high) = (so_far.interval.low, so_far.interval.high);
        canvas.rect((left, scale.at(high)), (right, scale.at(low)), BAND);
    }
    canvas.line((area.left, scale.at(0.0)), (area.right, scale.at(0.0)), 1, MUTED);
    if let Some(gated) = &metric.gated {
        let judgement = &gated.judgement;
        let margin = scale.at(judgement.margin);
        rule(canvas, area, margin, "margin", TEXT);
        let bar = scale.at(judgement.fail_bar);
        if margin - bar >= 12 {
            rule(canvas, area, bar, "floor", MUTED);
        }
    }
    let place = |(i, so_far): (usize, &duet_analysis::comparison::SoFar)| {
        (area.x(i, n), scale.at(so_far.estimate))
    };
    let line: Vec<(i32, i32)> = metric.interval_history.iter().enumerate().map(place).collect();
    match line[..] {
        [(_, y)] => canvas.line((area.left, y), (area.right, y), 3, mark(metric).0.ink),
        _ => canvas.path(line, 3, mark(metric).0.ink),
    }
}

/// The mark and the bounds at the look that the verdict rests on.
fn judged(canvas: &mut Canvas<'_>, metric: &ComparedMetric, scale: &ChangesAxis, area: Area) {
    let Some(judgement) = metric.gated.as_ref().map(|gated| &gated.judgement) else { return };
    let Some(look) = judgement.look else { return };
    let at = metric.interval_history.iter().position(|so_far| so_far.blocks == look.blocks);
    let Some(i) = at else { return };
    let (x, (mark, hollow)) = (area.x(i, metric.interval_history.len()), mark(metric));
    for (bound, towards) in [(judgement.lower, -4), (judgement.upper, 4)] {
        let Some(bound) = bound else { continue };
        let y = scale.at(bound);
        canvas.line((x - 7, y), (x + 7, y), 3, mark.ink);
        for end in [x - 7, x + 7] {
            canvas.line((end, y), (end, y + towards), 2, mark.ink);
        }
    }
    canvas.mark((x, scale.at(metric.interval_history[i].estimate)), 5, mark, hollow);
}

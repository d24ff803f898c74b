//! The log ratios in the order of blocks, with the time that was stolen meanwhile.

use super::page::mark;
use super::strips::{Area, Strips, band, numbers, rule, strips};
use crate::chart::canvas::{Anchor, Canvas, Picture};
use crate::chart::palette::{GRID, MUTED, TEXT};
use crate::chart::typography::SMALL;
use duet_analysis::comparison::{ComparedCell, ComparedMetric, Comparison};

/// Height of the stolen time: words, bars, numbers of blocks.
const STOLEN: i32 = 86;
/// Height of the bars.
const BARS: i32 = 34;
/// The bars' axis ends here at least: less stolen time than this disturbs nobody.
const STOLEN_LEAST: f64 = 0.01;

/// The log ratios of the principal metrics, block by block.
pub(super) fn blocks(comparison: &Comparison) -> Option<Picture> {
    let kind = Strips {
        title: "The same change, block by block",
        said: vec![
            "A dot per block that counts, in the order of measuring: both versions started afresh \
             and driven in turns. + is worse for the head. Line and shade: the estimate and its \
             95 % interval. Chance scatters; a trend, steps or dots that follow the stolen time \
             are not chance."
                .to_owned(),
        ],
        beneath: STOLEN,
        shown: |metric| !metric.log_ratios.is_empty(),
        extent,
    };
    strips(
        comparison,
        &kind,
        |canvas, metric, (scale, area)| {
            if let Some(i) = metric.interval {
                band(canvas, area, (scale.at(i.low), scale.at(i.high)));
            }
            canvas.line((area.left, scale.at(0.0)), (area.right, scale.at(0.0)), 1, MUTED);
            let y = scale.at(metric.estimate);
            let (mark, _) = mark(metric);
            canvas.line((area.left, y), (area.right, y), 2, mark.ink);
            if let Some(gated) = &metric.gated {
                rule(canvas, area, scale.at(gated.judgement.margin), "margin", TEXT);
            }
            let n = metric.log_ratios.len();
            let place = |(i, log_ratio): (usize, &f64)| (area.x(i, n), scale.at(*log_ratio));
            let places: Vec<(i32, i32)> = metric.log_ratios.iter().enumerate().map(place).collect();
            canvas.path(places.clone(), 1, GRID);
            for at in places {
                canvas.mark(at, 4, mark, false);
            }
        },
        stolen,
    )
}

fn extent(metric: &ComparedMetric) -> Vec<f64> {
    let margin = metric.gated.as_ref().map(|gated| gated.judgement.margin);
    let (low, high) = metric.interval.map_or((0.0, 0.0), |i| (i.low, i.high));
    metric.log_ratios.iter().copied().chain([low, high]).chain(margin).collect()
}

/// The share of the servers' time that was stolen, a bar per block.
fn stolen(canvas: &mut Canvas<'_>, cell: &ComparedCell, area: Area) {
    let shares = &cell.stolen_shares;
    let n = shares.len();
    let most = shares.iter().copied().fold(0.0, f64::max);
    let top = area.top + 10;
    let bottom = top + 14 + BARS;
    let words = match most > 0.0 {
        true => format!("time stolen by the hypervisor, at most {}", duet_units::percent(most)),
        false => "no time was stolen by the hypervisor".to_owned(),
    };
    let room = area.right - area.left;
    canvas.text((area.left, top), Anchor::Start, room, SMALL, &words);
    let end = most.max(STOLEN_LEAST);
    let half = (room / n.max(1) as i32 / 3).clamp(1, 8);
    for (label, y) in [("0".to_owned(), bottom), (duet_units::percent(end), bottom - BARS)] {
        if most == 0.0 && y != bottom {
            continue;
        }
        canvas.line((area.left, y), (area.right, y), 1, GRID);
        canvas.text((area.left - 6, y), Anchor::End, 50, SMALL, &label);
    }
    for (i, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        let height = (share / end * f64::from(BARS)).ceil() as i32;
        let x = area.x(i, n);
        canvas.rect((x - half, bottom - height), (x + half, bottom), MUTED);
    }
    numbers(canvas, area, (1, n.max(1)), bottom + 14);
    canvas.text((area.right + 5, bottom + 14), Anchor::Start, 47, SMALL, "block");
}

//! A row per metric: the change, its interval, and what it was held against.

use super::changes_axis::ChangesAxis;
use super::page::{HEADING, Page, WIDTH, change, heading, mark, page, verdict};
use crate::chart::canvas::{Anchor, Canvas, Picture};
use crate::chart::palette::{BAND, GRID, MUTED, RULE, TEXT};
use crate::chart::typography::{INSET, LABEL, LINE, MARGIN, SMALL, STRONG};
use crate::comparison::wording;
use duet_analysis::comparison::{ComparedCell, ComparedMetric, Comparison};
use duet_units::Metric;

/// Height of a metric's row.
const ROW: i32 = 38;
/// Height of the axis' labels.
const AXIS: i32 = 22;
/// Room above the axis.
const AIR: i32 = 8;
/// Radius of a mark.
const MARK: i32 = 5;
/// Room for a metric's name and values.
const NAMES: i32 = 190;
/// Room for its verdict and numbers.
const VERDICTS: i32 = 250;
/// The plot's ends.
const PLOT: (i32, i32) = (MARGIN + INSET + NAMES + 12, WIDTH - MARGIN - INSET - VERDICTS - 20);
/// Metrics that nothing is held against may widen the axis so many times; beyond, they are cut.
const WIDENING: f64 = 2.0;

/// All metrics of all cells, the gated ones first.
pub(super) fn forest(comparison: &Comparison) -> Option<Picture> {
    let gated = wording::gated(comparison).next().is_some();
    let mut said = vec![wording::headline(comparison), legend(gated)];
    if gated {
        said.push(
            "Shaded: the noise floor, what this machine shows between equal versions. Bar: the \
             margin, how much worse is still accepted."
                .to_owned(),
        );
    }
    plot(comparison, "What changed, and how sure is that?", &said, all)
}

/// The quantiles of latency, each as it shifted: of response time in an open loop, of service time
/// in a closed one.
pub(super) fn quantiles(comparison: &Comparison) -> Option<Picture> {
    let any = |is: fn(Metric) -> bool| {
        comparison.cells.iter().flat_map(|cell| &cell.metrics).any(|m| is(m.metric))
    };
    let (open, closed) = (any(is_latency), any(is_service_time));
    let mut said = vec![];
    if open {
        said.push(
            "Latency in an open loop: from the instant at which a request was due to its whole \
             response, at a rate that is the same for both."
                .to_owned(),
        );
    }
    if closed {
        said.push(
            "Service time in a closed loop: from sending a request to its whole response. Its median \
             is throughput again."
                .to_owned(),
        );
    }
    said.push(legend(of_all(comparison, of_quantiles).any(|m| m.gated.is_some())));
    let title = if open { "How did latency shift?" } else { "How did service times shift?" };
    plot(comparison, title, &said, of_quantiles)
}

fn of_all(
    comparison: &Comparison,
    rows: fn(&ComparedCell) -> Vec<&ComparedMetric>,
) -> impl Iterator<Item = &ComparedMetric> {
    comparison.cells.iter().flat_map(rows)
}

fn is_latency(metric: Metric) -> bool {
    metric.latency_quantile().is_some()
}

fn is_service_time(metric: Metric) -> bool {
    matches!(metric, Metric::ServiceTimeNsP50 | Metric::ServiceTimeNsP99)
}

fn all(cell: &ComparedCell) -> Vec<&ComparedMetric> {
    cell.metrics.iter().collect()
}

fn of_quantiles(cell: &ComparedCell) -> Vec<&ComparedMetric> {
    let is_quantile = |m: &&ComparedMetric| is_latency(m.metric) || is_service_time(m.metric);
    let mut rows: Vec<&ComparedMetric> = cell.metrics.iter().filter(is_quantile).collect();
    rows.sort_by_key(|m| m.metric);
    rows
}

fn legend(gated: bool) -> String {
    let marks = match gated {
        true => "Circle: PASS; diamond: REGRESSED; hollow square: INCONCLUSIVE; grey: not gated",
        false => "Hollow: no difference shown",
    };
    format!(
        "+ is worse for the head. Whisker: 95 % interval over blocks; arrow: it goes on. {marks}."
    )
}

fn plot(
    comparison: &Comparison,
    title: &str,
    said: &[String],
    rows: fn(&ComparedCell) -> Vec<&ComparedMetric>,
) -> Option<Picture> {
    let groups: Vec<(&ComparedCell, Vec<&ComparedMetric>)> =
        comparison.cells.iter().map(|cell| (cell, rows(cell))).collect();
    let all = || groups.iter().flat_map(|(_, rows)| rows.iter().copied());
    all().next()?;
    let scale = scale(all());
    let height = |rows: &[&ComparedMetric]| HEADING + ROW * rows.len() as i32 + 8;
    let body = groups.iter().map(|(_, rows)| height(rows)).sum::<i32>() + 2 * AXIS + LINE + AIR;
    let sentence =
        |m: &ComparedMetric| format!("{} {}: {}.", m.metric.label(), change(m), verdict(m));
    let description = groups.iter().map(|(cell, rows)| {
        let rows: Vec<String> = rows.iter().map(|m| sentence(m)).collect();
        format!("{}: {}", cell.id, rows.join(" "))
    });
    let description = description.collect::<Vec<_>>().join(" ");
    let about = Page { title, said, description, body };
    Some(page(comparison, &about, |canvas, top| {
        let top = top + AIR;
        canvas.text((PLOT.0, top), Anchor::Start, 100, SMALL, "← better");
        canvas.text((PLOT.1, top), Anchor::End, 100, SMALL, "worse →");
        let mut y = top + LINE + AXIS - 8;
        paint_labels(canvas, &scale, y - 10);
        for (cell, rows) in &groups {
            let name = (&*cell.id.to_string(), &*wording::state(cell));
            heading(canvas, (MARGIN, WIDTH - MARGIN), y, name);
            for (i, row) in (0..).zip(rows) {
                let top = y + HEADING + ROW * i;
                if i > 0 {
                    canvas.line((MARGIN, top), (WIDTH - MARGIN, top), 1, RULE);
                }
                paint(canvas, &scale, top, row);
            }
            y += height(rows);
        }
        paint_labels(canvas, &scale, y + 8);
    }))
}

/// An axis that holds what is gated with all it is held against, and the rest as far as that does
/// not press it together.
fn scale<'a>(rows: impl Iterator<Item = &'a ComparedMetric>) -> ChangesAxis {
    let (mut gated, mut rest) = (vec![], vec![]);
    for row in rows {
        let (low, high) = row.interval.map_or((row.estimate, row.estimate), |i| (i.low, i.high));
        let ends = [row.estimate, low, high];
        match &row.gated {
            None => rest.extend(ends),
            Some(g) => {
                gated.extend(ends);
                gated.extend([g.judgement.margin, g.judgement.fail_bar, -g.judgement.margin]);
                gated.extend(g.judgement.floor.map(|floor| -floor.nu));
            }
        }
    }
    let limit = gated.iter().fold(0.0_f64, |limit, end| limit.max(end.abs()));
    if limit > 0.0 {
        rest.iter_mut().for_each(|end| *end = end.clamp(-WIDENING * limit, WIDENING * limit));
    }
    ChangesAxis::holding(gated.into_iter().chain(rest), PLOT)
}

/// Pixels between the labels of grid lines at least.
const GAP: i32 = 46;

fn paint_labels(canvas: &mut Canvas<'_>, scale: &ChangesAxis, y: i32) {
    for (label, x) in scale.grid(GAP) {
        canvas.text((x, y), Anchor::Middle, GAP + 20, SMALL, &label);
    }
}

fn paint(canvas: &mut Canvas<'_>, scale: &ChangesAxis, top: i32, row: &ComparedMetric) {
    let (left, right) = (MARGIN + INSET, WIDTH - MARGIN - INSET);
    let (upper, lower, y) = (top + 12, top + 27, top + ROW / 2);
    let look = if row.gated.is_some() { STRONG } else { LABEL };
    let said = wording::row(row);
    canvas.text((left, upper), Anchor::Start, NAMES, look, &said.metric);
    let values = format!("{} → {}", said.base, said.head);
    canvas.text((left, lower), Anchor::Start, NAMES, SMALL, &values);
    canvas.text((right, upper), Anchor::End, VERDICTS, look, &verdict(row));
    canvas.text((right, lower), Anchor::End, VERDICTS, SMALL, &change(row));
    let (above, below) = (top + 1, top + ROW);
    let judgement = row.gated.as_ref().map(|gated| &gated.judgement);
    if let Some(floor) = judgement.and_then(|judgement| judgement.floor) {
        canvas.rect((scale.at(-floor.nu), above), (scale.at(floor.nu), below), BAND);
    }
    for (_, x) in scale.grid(GAP) {
        canvas.line((x, above), (x, below), 1, GRID);
    }
    let zero = scale.at(0.0);
    canvas.line((zero, above), (zero, below), 1, MUTED);
    if let Some(judgement) = judgement {
        let x = scale.at(judgement.margin);
        canvas.line((x, above + 3), (x, below - 3), 3, TEXT);
    }
    paint_estimate(canvas, scale, y, row);
}

/// Whisker and mark; an arrow where either goes on beyond the axis.
fn paint_estimate(canvas: &mut Canvas<'_>, scale: &ChangesAxis, y: i32, row: &ComparedMetric) {
    let (mark, hollow) = mark(row);
    let (low, high) = row.interval.map_or((row.estimate, row.estimate), |i| (i.low, i.high));
    let centre = scale.at(row.estimate);
    canvas.line((scale.at(low), y), (scale.at(high), y), 2, mark.ink);
    for end in [low, high] {
        let x = scale.at(end);
        // An end beneath the mark would only fray it.
        if (x - centre).abs() <= MARK + 1 && scale.beyond(row.estimate).is_none() {
            continue;
        }
        match scale.beyond(end) {
            None => canvas.line((x, y - 6), (x, y + 6), 2, mark.ink),
            Some(side) => {
                let back = x - 6 * side;
                canvas.path(vec![(back, y - 5), (x, y), (back, y + 5)], 2, mark.ink);
            }
        }
    }
    if scale.beyond(row.estimate).is_none() {
        canvas.mark((centre, y), MARK, mark, hollow);
    }
}

//! The benchmarks game's box plot: how many times slower each set is than the faster one, over all
//! problems, on the site's logarithmic axis.

use super::axis;
use super::canvas::{self, Anchor, Canvas, Picture};
use super::palette::{self, GRID, Mark, TEXT};
use super::scale::Scale;
use super::typography::{LABEL, SMALL, TITLE};
use crate::wording;
use duet_analysis::{Analysis, MatchupAnalysis};
use duet_units::Metric;

/// The axis' marks: the site's own, and further decades of them.
const MARKS: [f64; 12] = [1.0, 3.0, 5.0, 10.0, 30.0, 50.0, 100.0, 300.0, 500.0, 1e3, 3e3, 1e4];

const WIDTH: i32 = 620;
const LEFT: i32 = 56;
const RIGHT: i32 = WIDTH - 24;
const TOP: i32 = 84;
const BOTTOM: i32 = 330;
/// Width of a box; the site's is 22.
const BOX: i32 = 26;

/// A set's box.
struct Spread<'a> {
    label: &'a str,
    /// Its lane, or its matchup where several are in one lane.
    of: &'a str,
    mark: Mark,
    /// How many times slower than the faster of the pair, sorted; at least one.
    ratios: Vec<f64>,
}

/// The plot; absent where no programs were compared.
#[must_use]
pub fn boxes(analysis: &Analysis) -> Option<Picture> {
    let spreads: Vec<Spread<'_>> = charted(analysis).flat_map(|m| spreads(analysis, m)).collect();
    let highest = spreads.iter().flat_map(|s| &s.ratios).copied().fold(0.0, f64::max);
    if spreads.is_empty() {
        return None;
    }
    let marks = marks_to(highest);
    let scale = Scale::logarithmic(1.0..marks.last().copied().unwrap_or(10.0), (BOTTOM, TOP));
    let y = |ratio: f64| scale.at(ratio);
    let title = "How many times slower, over all programs?";
    let said: Vec<String> = spreads.iter().map(Spread::sentence).collect();
    let foot = [
        "A point per program: its time over that of the faster of the pair. Box: middle half; bar: \
         median; whiskers: within 1.5 boxes; dots: beyond.",
        &wording::place(&analysis.run),
        &wording::maker(&analysis.run),
    ];
    let lines: Vec<String> =
        foot.iter().flat_map(|text| canvas::wrap(text, WIDTH - 48, SMALL)).collect();
    let height = BOTTOM + 66 + 17 * lines.len() as i32;
    Some(canvas::picture((WIDTH, height), title, &said.join(" "), |canvas| {
        canvas.text((24, 32), Anchor::Start, WIDTH - 48, TITLE, title);
        canvas.text((24, 58), Anchor::Start, WIDTH - 48, SMALL, "Elapsed time of programs");
        for mark in &marks {
            canvas.line((LEFT, y(*mark)), (RIGHT, y(*mark)), 1, GRID);
            let label = axis::label(*mark);
            canvas.text((LEFT - 8, y(*mark)), Anchor::End, LEFT - 8, SMALL, &label);
        }
        let step = (RIGHT - LEFT) / spreads.len() as i32;
        for (i, spread) in (0..).zip(&spreads) {
            spread.paint(canvas, LEFT + step * i + step / 2, step - 8, &y);
        }
        for (i, line) in (0..).zip(&lines) {
            canvas.text((24, BOTTOM + 62 + 17 * i), Anchor::Start, WIDTH - 48, SMALL, line);
        }
    }))
}

/// The marks up to the first that no ratio is above.
fn marks_to(highest: f64) -> Vec<f64> {
    let end = MARKS.iter().position(|mark| *mark >= highest).unwrap_or(MARKS.len() - 1);
    MARKS[..=end.max(1)].to_vec()
}

fn charted(analysis: &Analysis) -> impl Iterator<Item = &MatchupAnalysis> {
    analysis.matchups.iter().filter(|m| m.programs && !m.control)
}

fn spreads<'a>(analysis: &Analysis, matchup: &'a MatchupAnalysis) -> Vec<Spread<'a>> {
    let languages: Vec<&str> = matchup.arms.iter().map(|a| a.language.as_str()).collect();
    let marks = palette::marks(analysis, &languages);
    let pairs: Vec<Vec<f64>> = matchup
        .cells
        .iter()
        .filter_map(|cell| cell.metrics.iter().find(|m| m.metric == Metric::ElapsedNs))
        .filter(|m| m.ratio.is_some())
        .map(|m| {
            let fastest = m.arms.iter().map(|arm| arm.value).fold(f64::INFINITY, f64::min);
            m.arms.iter().map(|arm| arm.value / fastest).collect()
        })
        .collect();
    if pairs.is_empty() {
        return vec![];
    }
    let of_lane = charted(analysis).filter(|other| other.lane == matchup.lane).count();
    let of = if of_lane == 1 { wording::lane(matchup.lane) } else { &matchup.name };
    let spread = |(arm, mark): (usize, Mark)| {
        let mut ratios: Vec<f64> = pairs.iter().map(|pair| pair[arm]).collect();
        ratios.sort_by(f64::total_cmp);
        let label = wording::source(&matchup.arms, &matchup.arms[arm]);
        Spread { label, of, mark, ratios }
    };
    marks.into_iter().enumerate().map(spread).collect()
}

/// The quantile of sorted values by linear interpolation (Hyndman and Fan's type 7).
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let at = p * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

impl Spread<'_> {
    fn sentence(&self) -> String {
        let median = duet_units::ratio(quantile(&self.ratios, 0.5));
        let most = duet_units::ratio(quantile(&self.ratios, 1.0));
        format!("{}, {}: median {median}, at most {most}.", self.label, self.of)
    }

    fn paint(&self, canvas: &mut Canvas<'_>, x: i32, room: i32, y: &dyn Fn(f64) -> i32) {
        let [low, median, high] = [0.25, 0.5, 0.75].map(|p| quantile(&self.ratios, p));
        let reach = 1.5 * (high - low);
        let inside = |r: &&f64| (low - reach..=high + reach).contains(*r);
        let whiskers = self.ratios.iter().filter(inside);
        let whiskers = whiskers.fold((low, high), |(l, h), r| (l.min(*r), h.max(*r)));
        canvas.line((x, y(whiskers.0)), (x, y(whiskers.1)), 2, self.mark.ink);
        for end in [whiskers.0, whiskers.1] {
            canvas.line((x - 6, y(end)), (x + 6, y(end)), 2, self.mark.ink);
        }
        canvas.rect((x - BOX / 2, y(high) - 1), (x + BOX / 2, y(low) + 1), self.mark.ink);
        canvas.line((x - BOX / 2, y(median)), (x + BOX / 2, y(median)), 3, TEXT);
        for outlier in self.ratios.iter().filter(|r| !inside(r)) {
            canvas.dot((x, y(*outlier)), 3, self.mark.ink);
        }
        canvas.text((x, BOTTOM + 18), Anchor::Middle, room, LABEL, self.label);
        canvas.text((x, BOTTOM + 35), Anchor::Middle, room, SMALL, self.of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_fits() {
        let ends = [1.0, 3.0, 3.1, 47.0, 101.0].map(|highest| marks_to(highest).last().copied());
        assert_eq!(ends, [3.0, 3.0, 5.0, 50.0, 300.0].map(Some));
    }

    #[test]
    fn quantiles() {
        let values = [1.0, 2.0, 3.0, 10.0];
        for (p, want) in [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.75, 4.75), (1.0, 10.0)] {
            assert_eq!(quantile(&values, p), want, "{p}");
        }
        assert_eq!(quantile(&[7.0], 0.75), 7.0);
    }
}

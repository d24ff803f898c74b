//! Charts of a comparison: what changed in a picture of its own, and what that rests on.
//!
//! `forest` has a row per metric, `blocks` and `looks` a strip per metric, and `changes_axis` is
//! the axis they share.

use crate::chart::Picture;
use duet_analysis::comparison::Comparison;

mod blocks;
mod changes_axis;
mod forest;
mod looks;
mod page;
mod strips;

/// The charts by file name, as far as there is something to draw.
#[must_use]
pub fn charts(comparison: &Comparison) -> Vec<(&'static str, String)> {
    pictures(comparison).into_iter().map(|(name, picture)| (name, picture.file())).collect()
}

/// The same, not yet files.
pub(super) fn pictures(comparison: &Comparison) -> Vec<(&'static str, Picture)> {
    let charts = [
        ("forest.svg", forest::forest(comparison)),
        ("blocks.svg", blocks::blocks(comparison)),
        ("looks.svg", looks::looks(comparison)),
        ("quantiles.svg", forest::quantiles(comparison)),
    ];
    charts.into_iter().filter_map(|(name, picture)| Some((name, picture?))).collect()
}

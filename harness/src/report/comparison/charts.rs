//! Charts of a comparison.

use crate::comparison::Comparison;

/// The charts by file name.
#[must_use]
pub fn charts(_comparison: &Comparison) -> Vec<(&'static str, String)> {
    vec![]
}

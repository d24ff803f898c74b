//! How wide a chart is.

/// How wide a chart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// For a README or a desktop: names, marks and numbers side by side.
    Wide,
    /// For a telephone: marks below names and numbers.
    Narrow,
}

//! The types and distances that the charts share.

use super::canvas::Type;
use super::palette::{MUTED, TEXT};

/// From the edge of a picture to what stands in it.
pub(crate) const MARGIN: i32 = 24;
/// How far words stand within a heading's box.
pub(crate) const INSET: i32 = 8;
/// Height of a line of small print.
pub(crate) const LINE: i32 = 17;

pub(crate) const TITLE: Type = Type { size: 20.0, bold: true, ink: TEXT };
pub(crate) const GROUP: Type = Type { size: 13.0, bold: true, ink: TEXT };
pub(crate) const LABEL: Type = Type { size: 12.0, bold: false, ink: TEXT };
pub(crate) const STRONG: Type = Type { size: 12.0, bold: true, ink: TEXT };
pub(crate) const WORD: Type = Type { size: 11.0, bold: false, ink: TEXT };
pub(crate) const SMALL: Type = Type { size: 11.0, bold: false, ink: MUTED };

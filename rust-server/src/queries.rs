//! Queries as typed values, for the servers whose framework decodes them with serde.

use serde::Deserialize;

use crate::items::Factor;
use crate::number::Integer;
use crate::spectral_norm::Size;

/// Of `/sum`.
#[derive(Debug, Deserialize)]
pub struct SumQuery {
    /// The first number.
    pub a: Integer,
    /// The second.
    pub b: Integer,
}

/// Of `/items/{n}`.
#[derive(Debug, Deserialize)]
pub struct ItemsQuery {
    /// What each total is multiplied with.
    pub m: Factor,
}

/// Of `/cpu`.
#[derive(Debug, Deserialize)]
pub struct CpuQuery {
    /// How large the matrix is.
    pub n: Size,
}

//! A run in the formats that other tools read. Each file knows one format and its limits.

pub mod junit;

//! Duet.
fn main() {}

//! Whoever compares versions.

use std::path::Path;

use duet_model::spec::Spec;

/// Who compares: the folder above the definitions, their place below it, and what they say.
#[derive(Debug, Clone, Copy)]
pub struct Workspace<'a> {
    /// The folder above the definitions, absolute.
    pub root: &'a Path,
    /// The definitions' folder.
    pub definitions: &'a Path,
    /// What they say.
    pub spec: &'a Spec,
    /// Tells the user what is waited for.
    pub say: fn(&str),
}

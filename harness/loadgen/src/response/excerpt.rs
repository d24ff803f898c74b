//! Parts of responses as they are shown.

/// Bytes shown before and after the first difference.
pub(super) const BEFORE: usize = 20;
pub(super) const AFTER: usize = 60;
/// Bytes shown of a response that cannot be compared.
pub(crate) const START: usize = 200;

/// `bytes[from..to]` in quotes, with an ellipsis where it is cut.
pub(crate) fn excerpt(bytes: &[u8], from: usize, to: usize) -> String {
    let shown = &bytes[from.min(bytes.len())..to.min(bytes.len())];
    let before = if from > 0 { "…" } else { "" };
    let after = if to < bytes.len() { "…" } else { "" };
    format!("{before}\"{}\"{after}", shown.escape_ascii())
}

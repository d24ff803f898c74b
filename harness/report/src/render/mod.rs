//! Documents for their readers: in a terminal, as Markdown, as a page.

pub(crate) mod html;
mod link;
pub(crate) mod markdown;
pub(crate) mod text;

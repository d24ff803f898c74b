//! Lines that are written to an output while a load goes on.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cmd::output;

/// An output of lines.
pub(super) struct Lines {
    path: PathBuf,
    file: Box<dyn Write>,
    /// The first error; nothing is written after it.
    error: Option<anyhow::Error>,
}

impl Lines {
    /// Opens the output.
    pub(super) fn create(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), file: output::open(path)?, error: None })
    }

    /// Writes lines with their ends, so that they can be read at once. The load goes on where that
    /// fails.
    pub(super) fn write(&mut self, text: &str) {
        if self.error.is_none() {
            let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.flush());
            let failed = || format!("failed to write {}", self.path.display());
            self.error = written.with_context(failed).err();
        }
    }

    /// # Errors
    /// When a line could not be written.
    pub(super) fn finish(self) -> Result<()> {
        self.error.map_or(Ok(()), Err)
    }
}

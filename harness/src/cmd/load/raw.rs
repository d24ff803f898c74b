//! `--raw`: a row for each request, written while the load goes on.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cmd::{output, stdio};
use duet_loadgen::count::seconds::{Row, Second};

/// The columns, as documented.
const HEAD: &str = "planned_ns,sent_ns,response_ns,service_ns,elapsed_ns,case,outcome\n";

/// The file.
pub(super) struct Raw {
    path: PathBuf,
    file: Box<dyn Write>,
    /// The first error; nothing is written after it.
    error: Option<anyhow::Error>,
}

impl Raw {
    /// Makes the file.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let mut file = output::open(path)?;
        let failed = || format!("failed to write {}", path.display());
        file.write_all(HEAD.as_bytes()).with_context(failed)?;
        Ok(Self { path: path.to_owned(), file, error: None })
    }

    /// Writes the requests that ended in a second.
    pub(super) fn write(&mut self, second: &Second) {
        if self.error.is_some() {
            return;
        }
        let rows = second.rows.iter().flatten().map(row).collect::<String>();
        // What is written can be read at once.
        let written = self.file.write_all(rows.as_bytes()).and_then(|()| self.file.flush());
        let failed = || format!("failed to write {}", self.path.display());
        self.error = written.with_context(failed).err();
    }

    /// # Errors
    /// When a row could not be written.
    pub(super) fn finish(self) -> Result<()> {
        self.error.map_or(Ok(()), Err)
    }
}

fn row(row: &Row) -> String {
    let shown = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let Row { planned_ns, sent_ns, service_ns, elapsed_ns, case, outcome } = *row;
    let lag_ns = planned_ns.map(|planned_ns| sent_ns.saturating_sub(planned_ns));
    let response_ns = lag_ns.zip(service_ns).map(|(lag_ns, service_ns)| lag_ns + service_ns);
    let (planned, response) = (shown(planned_ns), shown(response_ns));
    let service = shown(service_ns);
    format!("{planned},{sent_ns},{response},{service},{elapsed_ns},{case},{outcome}\n")
}

/// Rows are comma-separated values.
pub(super) fn file(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    let is_csv = path.extension().is_some_and(|extension| extension == "csv");
    match is_csv || stdio::is_stdout(&path) {
        true => Ok(path),
        false => Err("rows are a file that ends in .csv".to_owned()),
    }
}

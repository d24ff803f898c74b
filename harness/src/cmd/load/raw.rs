//! `--raw`: a row for each request, written while the load goes on.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::lines::Lines;
use crate::cmd::stdio;
use duet_loadgen::count::seconds::{Row, Second};

/// The columns, as documented.
const HEAD: &str = "planned_ns,sent_ns,response_ns,service_ns,elapsed_ns,case,outcome\n";

/// The file.
pub(super) struct Raw(Lines);

impl Raw {
    /// Makes the file.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let mut lines = Lines::create(path)?;
        lines.write(HEAD);
        Ok(Self(lines))
    }

    /// Writes the requests that ended in a second.
    pub(super) fn write(&mut self, second: &Second) {
        self.0.write(&second.rows.iter().flatten().map(row).collect::<String>());
    }

    /// # Errors
    /// When a row could not be written.
    pub(super) fn finish(self) -> Result<()> {
        self.0.finish()
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

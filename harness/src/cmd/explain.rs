//! `duet explain`: why a verdict is what it is.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::{comparison, stdio};
use duet_report::Style;
use duet_report::comparison as words;

/// Says why a verdict of a comparison is what it is, in words and numbers
///
/// RUN is the folder of a gate or comparison, METRIC a metric's name, such as requests_per_second.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The folder, such as results/gate.
    #[arg(value_name = "RUN")]
    folder: PathBuf,

    /// The metric's name, or a part of it.
    #[arg(value_name = "METRIC")]
    metric: String,

    /// Only cells whose name contains FILTER.
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,
}

pub(super) fn run(args: &Explain) -> Result<Exit> {
    let comparison = comparison::read(&args.folder)?;
    let style = if std::io::stdout().is_terminal() { Style::Colour } else { Style::Plain };
    let only = args.only.as_deref().unwrap_or_default();
    match words::explanation(&comparison, &args.metric, only, style) {
        Ok(text) => stdio::print(&text)?,
        Err(known) => bail!(UsageError(format!(
            "no metric `{}` was measured; there are {}",
            args.metric,
            known.join(", ")
        ))),
    }
    Ok(Exit::Done)
}

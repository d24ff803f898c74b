//! `duet export`: a run in the formats that other tools read.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::{comparison, folders, output, report, stdio};
use duet_analysis::Analysis;
use duet_analysis::comparison::Comparison;
use duet_report::{comparison as words, export, markdown_alone};
use duet_units::Better;

/// Writes a run in a format that other tools read
///
/// Everything is derived from the record in DIR. The exit code says whether the export was
/// written, not what the run found.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// A run's folder, such as results/latest.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The format.
    #[arg(long, value_enum)]
    format: Format,
    /// The file, device or pipe to write to; standard output without it, or with `-`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A format is one file each: github-action-benchmark wants metrics parted by direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Go benchmark text, a line per block, for benchstat (-table /matchup -col /arm)
    Gobench,
    /// Bencher Metric Format, for bencher run --adapter json
    Bmf,
    /// github-action-benchmark, tool customSmallerIsBetter: times and memory
    GhaBenchSmaller,
    /// github-action-benchmark, tool customBiggerIsBetter: requests per second
    GhaBenchBigger,
    /// JUnit XML: what was measured passes, inconclusive is skipped, failed cells are errors;
    /// what a gate found to be a regression is a failure
    Junit,
    /// A line per metric, cell and arm, with intervals, ratios and verdicts
    Csv,
    /// The report for a comment or a step summary, without charts
    Markdown,
    /// OpenMetrics text with three significant digits, for GitLab's metrics reports
    Openmetrics,
}

pub(super) fn run(args: &Export) -> Result<Exit> {
    let text = match args.format.of_comparison() {
        Some(write) if folders::read_run(&args.folder)?.header.experiment.is_some() => {
            write(&comparison::read(&args.folder)?)
        }
        _ => args.format.write(&report::read(&args.folder)?),
    };
    match &args.out {
        Some(path) => output::write(path, text.as_bytes())?,
        None => stdio::print_raw(&text)?,
    }
    Ok(Exit::Done)
}

impl Format {
    /// How the record of a comparison or a gate is written in a format of verdicts: by the policy,
    /// so that a regression is a failure.
    fn of_comparison(self) -> Option<fn(&Comparison) -> String> {
        match self {
            Self::Junit => Some(words::junit),
            Self::Markdown => Some(|comparison| words::summary(comparison, 0)),
            _ => None,
        }
    }

    fn write(self, analysis: &Analysis) -> String {
        match self {
            Self::Gobench => export::gobench(analysis),
            Self::Bmf => export::bmf(analysis),
            Self::GhaBenchSmaller => export::gha_bench(analysis, Better::Lower),
            Self::GhaBenchBigger => export::gha_bench(analysis, Better::Higher),
            Self::Junit => export::verdicts(analysis),
            Self::Csv => export::csv(analysis),
            Self::Markdown => markdown_alone(analysis),
            Self::Openmetrics => export::openmetrics(analysis),
        }
    }
}

//! Writes every report of the made-up analyses of the tests into a folder, to be looked at:
//! `cargo run -p duet-report --example demo_report -- DIR`.

#![expect(clippy::disallowed_methods, reason = "an example writes what it shows")]

use std::path::Path;

use anyhow::{Context, Result};
use duet_analysis::Analysis;
use duet_report::chart::Width;
use duet_report::{Style, chart};

#[path = "../tests/report/fixture/mod.rs"]
mod fixture;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("usage: demo_report DIR")?;
    let more = [("long", fixture::long()), ("scaling", fixture::scaling())];
    for (name, analysis) in fixture::analyses().into_iter().chain(more) {
        write(&Path::new(&folder).join(name), &analysis)?;
    }
    Ok(())
}

fn write(folder: &Path, analysis: &Analysis) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let narrow = chart::latency(analysis, Width::Narrow)
        .map(|picture| ("narrow-latency.svg", picture.file()));
    let texts = [
        ("report.txt", duet_report::text(analysis, Style::Plain)),
        ("report.ansi", duet_report::text(analysis, Style::Colour)),
        ("report.md", duet_report::markdown(analysis)),
        ("report.html", duet_report::html(analysis)),
    ];
    for (name, content) in texts.into_iter().chain(duet_report::charts(analysis)).chain(narrow) {
        let path = folder.join(name);
        std::fs::write(&path, content)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

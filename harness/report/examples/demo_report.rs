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
    let boxes = chart::boxes(analysis).map(|picture| ("programs.svg", picture.file()));
    let wide = chart::latency(analysis, Width::Wide).map(|picture| ("latency.svg", picture.file()));
    let narrow = chart::latency(analysis, Width::Narrow)
        .map(|picture| ("narrow-latency.svg", picture.file()));
    let long = chart::long(analysis, Width::Wide).map(|picture| ("long.svg", picture.file()));
    let scaling = chart::scaling(analysis, Width::Wide).map(|p| ("scaling.svg", p.file()));
    let files = [
        ("report.txt", duet_report::text(analysis, Style::Plain)),
        ("report.ansi", duet_report::text(analysis, Style::Colour)),
        ("report.md", duet_report::markdown(analysis)),
        ("report.html", duet_report::html(analysis)),
        ("speed.svg", chart::speed(analysis).file()),
        ("memory.svg", chart::memory(analysis).file()),
    ];
    for (name, content) in
        files.into_iter().chain(boxes).chain(wide).chain(narrow).chain(long).chain(scaling)
    {
        let path = folder.join(name);
        std::fs::write(&path, content)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

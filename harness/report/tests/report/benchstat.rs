//! Go's own benchstat reads what is exported for it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use duet_report::export;
use tempfile::TempDir;

use super::fixture;

/// Pinned, so that the test means the same everywhere. The module proxy has it.
const BENCHSTAT: &str = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da";

/// Installs benchstat into `folder`; says why where that is not possible here.
fn install(folder: &Path) -> Result<PathBuf, String> {
    let output = Command::new("go")
        .args(["install", BENCHSTAT])
        .current_dir(folder)
        .env("GOBIN", folder)
        .env("GOFLAGS", "")
        // A Go that is too old says so instead of fetching a newer one.
        .env("GOTOOLCHAIN", "local")
        .output()
        .map_err(|error| format!("go does not start: {error}"))?;
    if output.status.success() {
        Ok(folder.join("benchstat"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

#[test]
fn benchstat_compares_the_arms() {
    let folder = TempDir::new().expect("a temporary folder");
    let benchstat = match install(folder.path()) {
        Ok(path) => path,
        Err(why) => {
            // Not by a macro, whose words are shown for failing tests only.
            let words = format!("benchstat_compares_the_arms is skipped, no benchstat: {why}\n");
            std::io::stderr().write_all(words.as_bytes()).expect("standard error is open");
            return;
        }
    };
    let file = folder.path().join("run.txt");
    std::fs::write(&file, export::gobench(&fixture::programs())).expect("a file");
    let output = Command::new(benchstat)
        .args(["-table", "/matchup", "-col", "/arm"])
        .arg(&file)
        .output()
        .expect("benchstat starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    // What it cannot read it says, and goes on.
    assert!(!errors.contains("run.txt"), "{errors}");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let tables = table.split("\n\n").find(|t| t.contains("req/s") && t.contains("rust-std"));
    let tables = tables.unwrap_or_else(|| panic!("no requests per second in\n{table}"));
    assert!(tables.contains("go-nethttp"), "{tables}");
    let row = tables.lines().find(|line| line.contains("workload=hello/load=c64"));
    let row = row.unwrap_or_else(|| panic!("no row in\n{tables}"));
    // 58,400 against 33,010 requests per second: 43 % fewer, from eight blocks an arm.
    for word in ["58.", "33.", "-43.", "n=8"] {
        assert!(row.contains(word), "no {word} in {row}");
    }
    // It knows that fewer bytes are better and prints them in binary multiples.
    assert!(table.contains("peak-rss-B") && table.contains("Mi"), "{table}");
}

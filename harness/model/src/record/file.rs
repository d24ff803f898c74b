//! `run.jsonl` on disk: appending a line at a time, reading a run back.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::run::{Record, Run, SCHEMA};

/// The file name of a record within a run's folder.
pub const FILE_NAME: &str = "run.jsonl";

/// Its name until it may take the place of another.
const PARTIAL: &str = "run.jsonl.partial";

/// Appends records to a run's file.
#[derive(Debug)]
pub struct Writer {
    file: File,
}

impl Writer {
    /// Begins `run.jsonl` in `folder` with these records, in the place of the one that is there, if
    /// any: whatever happens meanwhile, the file holds the old record or all of these.
    ///
    /// # Errors
    /// When the file cannot be written or replaced.
    pub fn replace(folder: &Path, records: impl IntoIterator<Item = Record>) -> Result<Self> {
        let (path, partial) = (folder.join(FILE_NAME), folder.join(PARTIAL));
        if partial.exists() {
            fs::remove_file(&partial)
                .with_context(|| format!("failed to remove {}", partial.display()))?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&partial)
            .with_context(|| format!("failed to create {}", partial.display()))?;
        let mut writer = Self { file };
        let written = records.into_iter().try_for_each(|record| writer.append(&record));
        let replaced = written.and_then(|()| {
            fs::rename(&partial, &path)
                .with_context(|| format!("failed to replace {}", path.display()))
        });
        if replaced.is_err() {
            // The error that is reported is the one that matters.
            drop(fs::remove_file(&partial));
        }
        replaced.map(|()| writer)
    }

    /// Appends one record and hands it to the kernel in one write, so that a record is either
    /// whole or the last, cut-off line.
    ///
    /// # Errors
    /// When the file cannot be written: a full disk, most likely.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_vec(record).context("failed to encode a record")?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .and_then(|()| self.file.sync_data())
            .context("failed to append to run.jsonl (is the disk full?); finished blocks are kept")
    }
}

/// Reads a run's folder.
///
/// # Errors
/// When there is no record, its first line is no header, its schema is newer than this program, or
/// a line other than the last is damaged.
pub fn read(folder: &Path) -> Result<Run> {
    let path = folder.join(FILE_NAME);
    let file = File::open(&path)
        .with_context(|| format!("failed to open {} (is this a run's folder?)", path.display()))?;
    read_lines(file).with_context(|| format!("failed to read {}", path.display()))
}

/// Reads records from `input`, line by line. Bytes, since a line may be cut off within a character;
/// only one without its end can be.
fn read_lines(mut input: impl Read) -> Result<Run> {
    let mut bytes = vec![];
    input.read_to_end(&mut bytes)?;
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').zip(1..);
    let Some((first, _)) = lines.next() else { bail!("the record is empty") };
    let header = match serde_json::from_slice(first).context("line 1 is no header")? {
        Record::Header(header) => *header,
        _ => bail!("line 1 is no header"),
    };
    if header.schema != SCHEMA {
        bail!("the record has schema {}, this program reads schema {SCHEMA}", header.schema);
    }
    let mut run = Run::of(header);
    for (line, n) in lines {
        match serde_json::from_slice(line) {
            Ok(Record::Header(_)) => bail!("line {n} is a second header"),
            Ok(record) => run.push(record),
            Err(_) if !line.ends_with(b"\n") => run.truncated = true,
            Err(e) => return Err(e).with_context(|| format!("line {n} is damaged")),
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, programs, run};

    /// The lines of a record with a header, two blocks and an end.
    fn lines() -> Vec<String> {
        let run = run(&Scene::default());
        let blocks = run.blocks.into_iter().take(2).map(|block| Record::Block(Box::new(block)));
        let end = crate::record::RunEnd { elapsed_ns: 1, interrupted: None, stopped: None };
        [Record::Header(Box::new(run.header))]
            .into_iter()
            .chain(blocks)
            .chain([Record::End(end)])
            .map(|record| serde_json::to_string(&record).expect("records are JSON"))
            .collect()
    }

    #[test]
    fn a_run_is_read_back_as_it_was_written() {
        for run in [run(&Scene::default()), programs(4, 1.2)] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut writer = Writer::replace(folder.path(), run.records()).expect("it is written");
            let end = run.end.clone();
            end.map(|end| writer.append(&Record::End(end))).transpose().expect("it is appended");
            assert!(!run.blocks.is_empty() || !run.program_blocks.is_empty());
            assert_eq!(read(folder.path()).expect("it is a record"), run);
        }
    }

    #[test]
    fn a_record_takes_the_place_of_another() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let header = || Record::Header(Box::new(run(&Scene::default()).header));
        let end = |elapsed_ns| {
            Record::End(crate::record::RunEnd { elapsed_ns, interrupted: None, stopped: None })
        };
        // What was left of an attempt that was killed is in nobody's way.
        fs::write(folder.path().join(PARTIAL), "{").expect("a file");
        for elapsed_ns in [1, 2] {
            let mut writer = Writer::replace(folder.path(), [header()]).expect("it is replaced");
            writer.append(&end(elapsed_ns)).expect("it is appended");
            let read = read(folder.path()).expect("it is a record");
            assert_eq!(read.end.map(|end| end.elapsed_ns), Some(elapsed_ns));
        }
        assert!(!folder.path().join(PARTIAL).exists());
    }

    #[test]
    fn a_record_cut_short_is_read_as_far_as_it_goes() {
        let mut text = lines().join("\n");
        let whole = read_lines(text.as_bytes()).expect("it is whole");
        assert_eq!((whole.blocks.len(), whole.end.is_some(), whole.truncated), (2, true, false));
        text.truncate(text.len() - 5);
        let cut = read_lines(text.as_bytes()).expect("only the last line is damaged");
        assert_eq!((cut.blocks.len(), cut.end, cut.truncated), (2, None, true));
        // Within a character.
        let mut bytes = lines()[..2].join("\n").into_bytes();
        bytes.extend_from_slice("\n{\"×".as_bytes());
        bytes.pop();
        let cut = read_lines(&bytes[..]).expect("only the last line is damaged");
        assert_eq!((cut.blocks.len(), cut.truncated), (1, true));
    }

    #[test]
    fn a_record_that_cannot_be_trusted_is_refused() {
        let check = |change: fn(&mut Vec<String>), want: &str| {
            let mut lines = lines();
            change(&mut lines);
            let error = read_lines(lines.join("\n").as_bytes()).expect_err(want);
            assert!(format!("{error:#}").contains(want), "{error:#}");
        };
        check(Vec::clear, "empty");
        check(|lines| drop(lines.remove(0)), "line 1 is no header");
        check(|lines| lines.insert(1, lines[0].clone()), "line 2 is a second header");
        check(|lines| lines[1].truncate(40), "line 2 is damaged");
        check(|lines| lines[0] = lines[0].replacen("\"schema\":1", "\"schema\":9", 1), "schema 9");
        check(|lines| lines[1] = lines[1].replacen("\"cell\"", "\"sell\"", 1), "line 2 is damaged");
        // The last line is not cut off where it has its end.
        check(|lines| *lines.last_mut().expect("some") = "{}\n".to_owned(), "line 4 is damaged");
    }
}

//! `run.jsonl` on disk: appending a line at a time, reading a run back.
//!
//! The header gives the run an id, and every further line repeats it. A file into which two
//! processes wrote, or somebody's editor, is refused and not judged.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::bounds;
use super::header::RunHeader;
use super::run::{Record, Run, SCHEMA};
use crate::spec::CellId;

/// The file name of a record within a run's folder.
pub const FILE_NAME: &str = "run.jsonl";

/// Its name until it may take the place of another.
const PARTIAL: &str = "run.jsonl.partial";

/// The longest record that is read: forty times the longest that was published. What is longer is
/// no record, and would fill the memory.
const BYTES_MAX: u64 = 256 << 20;

/// The longest line that is read, likewise.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Appends records to a run's file.
#[derive(Debug)]
pub struct Writer {
    file: File,
    /// The id that the header gives.
    run: Option<String>,
}

/// A line after the header.
#[derive(Deserialize)]
struct Line {
    /// The id of the run it belongs to; absent where the header has none.
    #[serde(default)]
    run: Option<String>,
    #[serde(flatten)]
    record: Record,
}

/// The same, to be written.
#[derive(Serialize)]
struct LineRef<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(flatten)]
    record: &'a Record,
}

impl Writer {
    /// Begins `run.jsonl` in `folder` with these records, in the place of the one that is there, if
    /// any: whatever happens meanwhile, the file holds the old record or all of these.
    ///
    /// # Errors
    /// When the file cannot be written or replaced.
    pub fn replace(folder: &Path, records: impl IntoIterator<Item = Record>) -> Result<Self> {
        let (path, partial) = (folder.join(FILE_NAME), folder.join(PARTIAL));
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("failed to remove {}", partial.display()));
            }
            _ => {}
        }
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&partial)
            .with_context(|| format!("failed to create {}", partial.display()))?;
        let mut writer = Self { file, run: None };
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
        let line = match record {
            Record::Header(header) => {
                self.run.clone_from(&header.id);
                serde_json::to_vec(record)
            }
            _ => serde_json::to_vec(&LineRef { run: self.run.as_deref(), record }),
        };
        let mut line = line.context("failed to encode a record")?;
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
/// When there is no record, its first line is no header, its schema is newer than this program, a
/// line other than the last is damaged, a line is of another run, a block is there twice or was not
/// planned, or the file is longer than any record.
pub fn read(folder: &Path) -> Result<Run> {
    let path = folder.join(FILE_NAME);
    let failed = || format!("failed to open {} (is this a run's folder?)", path.display());
    // Before it is opened: a pipe would be waited for.
    let kind = fs::metadata(&path).with_context(failed)?;
    ensure!(kind.is_file(), "{} is no regular file", path.display());
    let file = File::open(&path).with_context(failed)?;
    read_lines(BufReader::new(file)).with_context(|| format!("failed to read {}", path.display()))
}

/// Reads records from `input`, line by line. Bytes, since a line may be cut off within a character;
/// only one without its end can be.
fn read_lines(input: impl BufRead) -> Result<Run> {
    let mut input = input.take(BYTES_MAX + 1);
    let mut line = vec![];
    ensure!(next_line(&mut input, &mut line)?, "the record is empty");
    let header = match serde_json::from_slice(&line).context("line 1 is no header")? {
        Record::Header(header) => *header,
        _ => bail!("line 1 is no header"),
    };
    if header.schema != SCHEMA {
        bail!("the record has schema {}, this program reads schema {SCHEMA}", header.schema);
    }
    check_names(&header).context("line 1 cannot be trusted")?;
    let (mut run, mut seen) = (Run::of(header), Seen::default());
    for n in 2_u64.. {
        if !next_line(&mut input, &mut line).with_context(|| format!("line {n}"))? {
            break;
        }
        let record = match serde_json::from_slice(&line) {
            Ok(Line { run: id, record }) => {
                ensure!(
                    id == run.header.id,
                    "line {n} is of another run: two processes wrote into this record, or it was \
                     put together; measure again"
                );
                record
            }
            Err(_) if !line.ends_with(b"\n") => {
                run.truncated = true;
                break;
            }
            Err(e) => return Err(e).with_context(|| format!("line {n} is damaged")),
        };
        bounds::check(&line)
            .and_then(|()| seen.check(&record, &run))
            .with_context(|| format!("line {n} cannot be trusted"))?;
        run.push(record);
    }
    Ok(run)
}

/// The longest name: of a server it may hold a branch's.
const NAME_MAX: usize = 400;

/// Names stand in paths, tables and links of reports: what no definitions can hold is refused.
/// Those of servers and sets may hold a version as its repository calls it.
fn check_names(header: &RunHeader) -> Result<()> {
    let RunHeader { spec, suite, .. } = header;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain = |kind: &str, name: &str| {
        let fits = (1..=NAME_MAX).contains(&name.len()) && name.chars().all(is_plain);
        ensure!(fits, "{kind} cannot have the name {:?}", excerpt(name));
        Ok(())
    };
    plain("a suite", &suite.name)?;
    for cell in &suite.cells {
        plain("a matchup", &cell.matchup)?;
        plain("a workload", &cell.workload)?;
        plain("a load", &cell.load)?;
    }
    let sets = spec.sets.iter().map(|set| &set.name);
    for name in spec.servers.iter().map(|server| &server.name).chain(sets) {
        let fits = (1..=NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        ensure!(fits, "a server cannot have the name {:?}", excerpt(name));
    }
    Ok(())
}

/// The beginning of a name.
fn excerpt(name: &str) -> &str {
    name.char_indices().nth(40).map_or(name, |(end, _)| &name[..end])
}

/// Reads the next line with its end into `line`; false where there is none.
fn next_line(input: &mut std::io::Take<impl BufRead>, line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', line)?;
    ensure!(input.limit() > 0, "it is longer than {} MiB, so it is no record", BYTES_MAX >> 20);
    let bytes = line.len() as u64;
    ensure!(bytes <= LINE_BYTES_MAX, "a line is longer than {} MiB", LINE_BYTES_MAX >> 20);
    Ok(!line.is_empty())
}

/// What a record had by now, of what it must not have twice.
#[derive(Default)]
struct Seen {
    /// Blocks that were not measured again.
    blocks: BTreeSet<(CellId, u32)>,
    builds: BTreeSet<String>,
    programs: BTreeSet<(String, String)>,
}

impl Seen {
    /// # Errors
    /// When a record cannot follow those before it: what it says is there already, was not planned,
    /// or comes after the end.
    fn check(&mut self, record: &Record, run: &Run) -> Result<()> {
        ensure!(run.end.is_none(), "the record had ended before");
        match record {
            Record::Header(_) => bail!("it is a second header"),
            Record::Build(build) => {
                let new = self.builds.insert(build.server.clone());
                ensure!(new, "{} was built before", build.server);
            }
            Record::Program(program) => {
                let new = self.programs.insert((program.set.clone(), program.problem.clone()));
                ensure!(new, "{} {} was checked before", program.set, program.problem);
            }
            Record::Block(block) => {
                self.block(run, &block.cell, block.block, block.discarded.is_some())?;
            }
            Record::ProgramBlock(block) => {
                self.block(run, &block.cell, block.block, block.discarded.is_some())?;
            }
            Record::End(_) => {}
        }
        Ok(())
    }

    /// A block that was discarded was measured again; any other is there once.
    fn block(&mut self, run: &Run, cell: &CellId, block: u32, discarded: bool) -> Result<()> {
        let suite = &run.header.suite;
        let number = u64::from(block) + 1;
        ensure!(suite.cells.contains(cell), "{cell} is no cell of this run");
        ensure!(
            block < suite.blocks,
            "block {number} of {cell} was not planned: there are {}",
            suite.blocks
        );
        let key = (cell.clone(), block);
        ensure!(!self.blocks.contains(&key), "block {number} of {cell} was measured before");
        if !discarded {
            self.blocks.insert(key);
        }
        Ok(())
    }
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
    fn every_line_has_the_id_of_its_run() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut first = run(&Scene::default());
        first.header.id = Some("first".to_owned());
        let mut writer = Writer::replace(folder.path(), first.records()).expect("it is written");
        let end = crate::record::RunEnd { elapsed_ns: 1, interrupted: None, stopped: None };
        writer.append(&Record::End(end.clone())).expect("it is appended");
        let text = fs::read_to_string(folder.path().join(FILE_NAME)).expect("a record");
        assert!(text.lines().skip(1).all(|line| line.starts_with("{\"run\":\"first\",")), "{text}");
        assert_eq!(read(folder.path()).expect("it is a record"), Run { end: Some(end), ..first });
        // A second run's lines, lines of an older program, or an id that the header does not know.
        let check = |text: String| {
            let error = read_lines(text.as_bytes()).expect_err("it is of two runs");
            assert!(format!("{error:#}").contains("line 3 is of another run"), "{error:#}");
        };
        let at_third = |change: fn(&str) -> String| {
            let lines = text.lines().zip(1..);
            lines.map(|(l, n)| if n == 3 { change(l) } else { l.to_owned() } + "\n").collect()
        };
        check(at_third(|line| line.replacen("first", "second", 1)));
        check(at_third(|line| line.replacen("\"run\":\"first\",", "", 1)));
        let old = lines();
        let foreign = old[2].replacen('{', "{\"run\":\"first\",", 1);
        check([&old[0], &old[1], &foreign].map(|line| format!("{line}\n")).concat());
    }

    #[test]
    fn a_record_longer_than_any_is_refused() {
        let whole = lines().join("\n") + "\n";
        let spaces = std::io::repeat(b' ');
        let line = BufReader::new(whole.as_bytes().chain(spaces));
        let error = read_lines(line).expect_err("its last line has no end");
        assert!(format!("{error:#}").contains("longer than 16 MiB"), "{error:#}");
        let nested = format!("{whole}{}", "[".repeat(100_000));
        assert!(read_lines(nested.as_bytes()).expect("its last line is cut off").truncated);
        let error = read_lines(format!("{nested}\n").as_bytes()).expect_err("it is damaged");
        assert!(format!("{error:#}").contains("is damaged"), "{error:#}");
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
        check(|lines| lines.insert(1, lines[0].clone()), "it is a second header");
        check(|lines| lines[1].truncate(40), "line 2 is damaged");
        check(|lines| lines[0] = lines[0].replace("c64", "<c>"), "a load cannot have the name");
        check(|lines| lines[0] = lines[0].replacen("\"schema\":1", "\"schema\":9", 1), "schema 9");
        check(|lines| lines[1] = lines[1].replacen("\"cell\"", "\"sell\"", 1), "line 2 is damaged");
        check(
            |lines| lines.insert(2, lines[1].clone()),
            "block 1 of pair/small/c64 was measured before",
        );
        check(
            |lines| lines[2] = lines[2].replacen("\"block\":1,", "\"block\":99,", 1),
            "block 100",
        );
        check(|lines| lines[1] = lines[1].replacen("c64", "c65", 1), "is no cell of this run");
        check(|lines| lines.push(lines[3].clone()), "had ended before");
        // The last line is not cut off where it has its end.
        check(|lines| *lines.last_mut().expect("some") = "{}\n".to_owned(), "line 4 is damaged");
    }
}

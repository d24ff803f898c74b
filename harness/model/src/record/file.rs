//! A record on disk: appending a line at a time, reading a run back.
//!
//! It is compressed as it is written (gzip, RFC 1952): after each line the compressor hands out all
//! that it holds (a sync flush), so that a kill loses the last, unfinished line at most. One that
//! was not compressed, or of which others made several members, is read as well.
//!
//! The header gives the run an id, and every further line repeats it. A file into which two
//! processes wrote, or somebody's editor, is refused and not judged.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::bounds;
use super::header::RunHeader;
use super::run::{Record, Run, SCHEMA};
use crate::spec::CellId;

/// The file name of a record within a run's folder.
pub const FILE_NAME: &str = "run.jsonl.gz";

/// The same of one that is not compressed. Where a folder has both, this is the older one.
pub const PLAIN_FILE_NAME: &str = "run.jsonl";

/// Its name until it may take the place of another.
const PARTIAL: &str = "run.jsonl.gz.partial";

/// The longest record that is read, before it is compressed: forty times the longest that was
/// published. What is longer is no record, and would fill the memory.
const BYTES_MAX: u64 = 256 << 20;

/// A compressed record is no more than so many times as long before: ten times what those have that
/// were published. Compression itself would allow a thousand.
const EXPANSION_MAX: u64 = 64;

/// What one may have beyond that.
const EXPANSION_SPARE: u64 = 4 << 20;

/// The longest line that is read, likewise.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Appends records to a run's file.
#[derive(Debug)]
pub struct Writer {
    file: File,
    /// Compresses; holds what is not in the file yet. Gone behind the last line.
    stream: Option<GzEncoder<Vec<u8>>>,
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
    /// Begins the record in `folder` with these records, in the place of the one that is there, if
    /// any: whatever happens meanwhile, the folder holds the old record or all of these.
    ///
    /// # Errors
    /// When the file cannot be written or replaced.
    pub fn replace(folder: &Path, records: impl IntoIterator<Item = Record>) -> Result<Self> {
        let (path, partial) = (folder.join(FILE_NAME), folder.join(PARTIAL));
        remove(&partial)?;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&partial)
            .with_context(|| format!("failed to create {}", partial.display()))?;
        let stream = Some(GzEncoder::new(vec![], Compression::best()));
        let mut writer = Self { file, stream, run: None };
        let written = records.into_iter().try_for_each(|record| writer.append(&record));
        let replaced = written.and_then(|()| {
            fs::rename(&partial, &path)
                .with_context(|| format!("failed to replace {}", path.display()))?;
            remove(&folder.join(PLAIN_FILE_NAME))
        });
        if replaced.is_err() {
            // The error that is reported is the one that matters.
            drop(fs::remove_file(&partial));
        }
        replaced.map(|()| writer)
    }

    /// Appends one record and hands it to the disk in one write, so that a record is either whole
    /// or the last, cut-off line. Nothing follows an end.
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
        let is_end = matches!(record, Record::End(_));
        let compressed = self.compress(&line, is_end).context("failed to compress a record")?;
        self.file.write_all(&compressed).and_then(|()| self.file.sync_data()).with_context(|| {
            format!("failed to append to {FILE_NAME} (is the disk full?); finished blocks are kept")
        })
    }

    /// A line as the bytes to be appended: all of it can be read from them and those before.
    fn compress(&mut self, line: &[u8], is_end: bool) -> Result<Vec<u8>> {
        let mut stream = self.stream.take().context("the record has ended")?;
        stream.write_all(line)?;
        if is_end {
            return Ok(stream.finish()?);
        }
        stream.flush()?;
        let bytes = std::mem::take(stream.get_mut());
        self.stream = Some(stream);
        Ok(bytes)
    }
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The record in a folder, compressed or not; absent where there is none.
#[must_use]
pub fn find(folder: &Path) -> Option<PathBuf> {
    [FILE_NAME, PLAIN_FILE_NAME].map(|name| folder.join(name)).into_iter().find(|f| f.exists())
}

/// Reads a run's folder.
///
/// # Errors
/// When there is no record, its first line is no header, its schema is newer than this program, a
/// line other than the last is damaged, a line is of another run, a block is there twice or was not
/// planned, or the file is longer than any record.
pub fn read(folder: &Path) -> Result<Run> {
    let path = find(folder).unwrap_or_else(|| folder.join(FILE_NAME));
    let failed = || format!("failed to open {} (is this a run's folder?)", path.display());
    // Before it is opened: a pipe would be waited for.
    let kind = fs::metadata(&path).with_context(failed)?;
    ensure!(kind.is_file(), "{} is no regular file", path.display());
    let file = BufReader::new(File::open(&path).with_context(failed)?);
    let run = match path.extension().is_some_and(|extension| extension == "gz") {
        true => read_compressed(file, kind.len()),
        false => read_lines(file, BYTES_MAX),
    };
    run.with_context(|| format!("failed to read {}", path.display()))
}

/// Reads compressed records from `input`, which has so many bytes.
fn read_compressed(input: impl BufRead, bytes: u64) -> Result<Run> {
    let bytes_max = bytes.saturating_mul(EXPANSION_MAX).saturating_add(EXPANSION_SPARE);
    let lines = Inflated { stream: Some(MultiGzDecoder::new(input)) };
    read_lines(BufReader::new(lines), bytes_max.min(BYTES_MAX))
}

/// What a compressed file holds, as far as it goes: where it was cut off, it ends.
struct Inflated<R> {
    /// Absent behind the end.
    stream: Option<MultiGzDecoder<R>>,
}

impl<R: BufRead> Read for Inflated<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let Some(stream) = &mut self.stream else { return Ok(0) };
        match stream.read(to) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.stream = None;
                Ok(0)
            }
            read => read,
        }
    }
}

/// Reads records from `input`, line by line, so many bytes at most. Bytes, since a line may be cut
/// off within a character; only one without its end can be.
fn read_lines(input: impl BufRead, bytes_max: u64) -> Result<Run> {
    let mut input = input.take(bytes_max + 1);
    let mut line = vec![];
    ensure!(next_line(&mut input, bytes_max, &mut line)?, "the record is empty");
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
        if !next_line(&mut input, bytes_max, &mut line).with_context(|| format!("line {n}"))? {
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

/// Reads the next line of an input of so many bytes with its end into `line`; false where there is
/// none.
fn next_line(
    input: &mut std::io::Take<impl BufRead>,
    bytes_max: u64,
    line: &mut Vec<u8>,
) -> Result<bool> {
    line.clear();
    input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', line)?;
    ensure!(input.limit() > 0, "it is longer than {} MiB, so it is no record", bytes_max >> 20);
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
mod tests;

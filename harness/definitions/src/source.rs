//! Files of definitions as text.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path};

use super::errors::DefinitionError;

/// A file of definitions and where its lines begin.
pub(super) struct Source {
    pub(super) file: String,
    pub(super) text: String,
    starts: Vec<usize>,
}

impl Source {
    pub(super) fn new(file: &str, text: String) -> Source {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let mut starts: Vec<usize> = breaks.map(|(at, _)| at + 1).collect();
        // What follows the last line break is a line only if there is something.
        starts.retain(|start| *start < text.len());
        Source { file: file.to_owned(), text, starts }
    }

    /// The line, from 1, of the byte at `offset`. The end of the text belongs to the last line.
    pub(super) fn line(&self, offset: usize) -> usize {
        1 + self.starts.partition_point(|start| *start <= offset)
    }
}

/// Gives the bytes of a file, named relative to the folder of definitions.
pub(super) type Read<'a> = dyn Fn(&str) -> io::Result<Vec<u8>> + 'a;

/// The longest file that is read: nine times the longest of this project.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// What all files that are read may add up to: many tables may name one file.
const FOLDER_BYTES_MAX: u64 = 4 * FILE_BYTES_MAX;

/// The files of a folder. Others may have written them, so only so much is read.
pub(super) fn files_of(folder: &Path) -> impl Fn(&str) -> io::Result<Vec<u8>> + '_ {
    let left = Cell::new(FOLDER_BYTES_MAX);
    move |file| {
        let path = folder.join(file);
        // Before it is opened: a pipe would be waited for.
        if !fs::metadata(&path)?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let (mut bytes, most) = (vec![], left.get().min(FILE_BYTES_MAX));
        File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            let (file, folder) = (FILE_BYTES_MAX >> 20, FOLDER_BYTES_MAX >> 20);
            return Err(io::Error::other(format!(
                "a file may have {file} MiB, and all that are read {folder} MiB"
            )));
        }
        left.set(left.get() - bytes.len() as u64);
        Ok(bytes)
    }
}

/// A file and its text.
///
/// # Errors
/// It cannot be read, and the mistake has no line, or it is not UTF-8.
pub(super) fn read_text(file: &str, read: &Read<'_>) -> Result<Source, DefinitionError> {
    let mistake = |line, problem: String, hint: &str| {
        let (file, hint) = (file.to_owned(), hint.to_owned());
        DefinitionError { file, line, problem, hint }
    };
    let bytes = read(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let hint = match file {
                "servers.toml" => "create it; or, to measure programs alone, create programs.toml",
                _ => "create it, or correct its name",
            };
            mistake(None, "there is no such file".to_owned(), hint)
        }
        _ => mistake(None, format!("it cannot be read: {error}"), "make it a readable file"),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count();
        mistake(Some(line), "the text is not UTF-8".to_owned(), "save it as UTF-8")
    })?;
    Ok(Source::new(file, text))
}

/// Whether a path stays below the folder it is relative to, and is not that folder.
pub(super) fn stays_inside(path: &str) -> bool {
    let mut components =
        Path::new(path).components().filter(|c| *c != Component::CurDir).peekable();
    components.peek().is_some() && components.all(|c| matches!(c, Component::Normal(_)))
}

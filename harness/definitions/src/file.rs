//! Reads a file of definitions as TOML, and hands its fields on.

use std::io;

use toml::Spanned;
use toml::de::DeTable;

use super::errors::{DefinitionError, Found};
use super::fields::Fields;
use super::source::{Read, Source, read_text};

/// The longest file of TOML: fifteen times the longest of this project. Tables refer to each other
/// by name, so that time grows with the square of it.
const TOML_BYTES_MAX: usize = 256 << 10;

/// Reads a file as TOML; none, and the mistake is kept, where it is none.
pub(super) fn read_file<T>(
    file: &str,
    read: &Read<'_>,
    found: &mut Found,
    fields: impl FnOnce(&mut Fields<'_>) -> T,
) -> Option<T> {
    let source = read_text(file, read).map_err(|mistake| found.mistakes.push(mistake)).ok()?;
    let table = parse(&source, found)?;
    let mut root = Fields::of_file(&source, table.get_ref(), found);
    let value = fields(&mut root);
    root.finish();
    Some(value)
}

/// Like [`read_file`]; a file that is not there defines nothing.
pub(super) fn read_file_if_any<T: Default>(
    file: &str,
    read: &Read<'_>,
    found: &mut Found,
    fields: impl FnOnce(&mut Fields<'_>) -> T,
) -> Option<T> {
    match read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(T::default()),
        _ => read_file(file, read, found, fields),
    }
}

/// Parses a file as TOML. Of several syntax errors only the first is kept: the others are often
/// its consequences.
fn parse<'a>(source: &'a Source, found: &mut Found) -> Option<Spanned<DeTable<'a>>> {
    if source.text.len() > TOML_BYTES_MAX {
        found.mistakes.push(DefinitionError {
            file: source.file.clone(),
            line: None,
            problem: format!("it is longer than {} KiB", TOML_BYTES_MAX >> 10),
            hint: "shorten it: put long lists of cases into files that `cases` names".to_owned(),
        });
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    let Some(first) = errors.iter().min_by_key(|error| start(error)) else {
        return Some(table);
    };
    found.mistakes.push(DefinitionError {
        file: source.file.clone(),
        line: Some(source.line(start(first))),
        problem: format!("this is not TOML: {}", first.message()),
        hint: "correct it; what it says is checked after that".to_owned(),
    });
    None
}

//! Standard output and standard error: the one place that writes to them.
//!
//! Nothing here panics. What is said may quote what others wrote (names, responses, standard
//! error), so it is made harmless: see [`duet_report::for_terminal`].

use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Names of standard output, where a file is to be named. The kernel's are among them: opened by
/// these names, a file to which it was redirected would be cut off.
const STDOUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Where text for people goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Output,
    /// Standard error: standard output is for programs.
    Error,
}

impl Stream {
    /// Where text goes beside these outputs: one of them may be standard output.
    pub(super) fn beside<'a>(outputs: impl IntoIterator<Item = &'a Option<PathBuf>>) -> Self {
        match outputs.into_iter().flatten().any(|path| is_stdout(path)) {
            true => Self::Error,
            false => Self::Output,
        }
    }

    /// Prints text for people.
    ///
    /// # Errors
    /// As [`print`].
    pub(super) fn print(self, text: &str) -> Result<()> {
        match self {
            Self::Output => print(text),
            Self::Error => {
                note(text.strip_suffix('\n').unwrap_or(text));
                Ok(())
            }
        }
    }

    /// Prints text in a format of its own, as it is.
    ///
    /// # Errors
    /// As [`print`].
    pub(super) fn print_raw(self, text: &str) -> Result<()> {
        match self {
            Self::Output => print_raw(text),
            Self::Error => written(std::io::stderr().lock(), text),
        }
    }

    /// The same with a line feed.
    ///
    /// # Errors
    /// As [`print`].
    pub(super) fn line(self, text: &str) -> Result<()> {
        self.print(&format!("{text}\n"))
    }
}

/// How many columns lines may have where this leads: what COLUMNS says, or a terminal. None: it is
/// no terminal, or does not say.
pub(super) fn columns(to: impl AsFd) -> Option<usize> {
    let set = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let found = set.or_else(|| {
        let (width, _) = terminal_size::terminal_size_of(to)?;
        Some(usize::from(width.0))
    });
    found.filter(|&columns| columns > 0)
}

/// Whether a name of an output stands for standard output.
pub(super) fn is_stdout(path: &Path) -> bool {
    STDOUT.iter().any(|name| path == Path::new(name))
}

/// Prints text for people. A reader that has seen enough (`| head`) is no error: the command's
/// outcome is still its exit code.
///
/// # Errors
/// When standard output takes no more: a full disk.
pub(super) fn print(text: &str) -> Result<()> {
    // anstream drops colours where they are not wanted.
    written(anstream::stdout().lock(), &duet_report::for_terminal(text))
}

/// The same with a line feed.
///
/// # Errors
/// As [`print`].
pub(super) fn line(text: &str) -> Result<()> {
    print(&format!("{text}\n"))
}

/// Prints text in a format of its own, as it is.
///
/// # Errors
/// As [`print`].
pub(super) fn print_raw(text: &str) -> Result<()> {
    written(std::io::stdout().lock(), text)
}

fn written(mut out: impl Write, text: &str) -> Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("failed to write to standard output (is the disk full?)"),
    }
}

/// Prints a line on standard error. Where that takes no more there is nowhere left to say so.
pub(crate) fn note(line: &str) {
    let line = duet_report::for_terminal(line);
    drop(writeln!(anstream::stderr().lock(), "{line}"));
}

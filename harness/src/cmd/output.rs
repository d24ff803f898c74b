//! Outputs that the user names: a file, a device, a pipe, a socket, or `-` for standard output.
//!
//! A regular file is replaced whole. Everything else is written to and stays what it is: replacing
//! `/dev/null` by a file would break the machine.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{folders, stdio};

/// How long a pipe may be without a reader.
const READER_WAIT: Duration = Duration::from_secs(2);

/// Names of standard error. Opened by these names, a file to which it was redirected would be cut
/// off.
const STDERR: [&str; 3] = ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"];

/// Writes an output whole.
///
/// # Errors
/// When it cannot be written, or nobody reads from a pipe.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let is_file = match fs::symlink_metadata(path) {
        Ok(kind) => kind.is_file(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    if is_file && !stdio::is_stdout(path) {
        return folders::replace(path, content);
    }
    let failed = || format!("failed to write {}", path.display());
    let mut output = open(path)?;
    match output.write_all(content).and_then(|()| output.flush()) {
        // A reader that has seen enough is no error.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.with_context(failed),
    }
}

/// Opens an output that is written bit by bit. A regular file begins anew.
///
/// # Errors
/// As [`write`].
pub(super) fn open(path: &Path) -> Result<Box<dyn Write>> {
    if stdio::is_stdout(path) {
        return Ok(Box::new(std::io::stdout()));
    }
    if STDERR.iter().any(|name| path == Path::new(name)) {
        return Ok(Box::new(std::io::stderr()));
    }
    let failed = || format!("failed to open {}", path.display());
    match fs::metadata(path) {
        Ok(kind) if kind.file_type().is_socket() => {
            let stream = UnixStream::connect(path).with_context(failed)?;
            return Ok(Box::new(stream));
        }
        Ok(kind) if kind.file_type().is_fifo() => return Ok(Box::new(open_pipe(path)?)),
        _ => {}
    }
    Ok(Box::new(File::create(path).with_context(failed)?))
}

/// Opens a pipe once somebody reads from it. Opening it as a file waits for ever where nobody does.
fn open_pipe(path: &Path) -> Result<File> {
    let failed = || format!("failed to open {}", path.display());
    let limit = Instant::now() + READER_WAIT;
    loop {
        let flags = OFlag::O_NONBLOCK.bits();
        match OpenOptions::new().write(true).custom_flags(flags).open(path) {
            Ok(pipe) => {
                // From now on a slow reader is waited for.
                fcntl(&pipe, FcntlArg::F_SETFL(OFlag::empty())).with_context(failed)?;
                return Ok(pipe);
            }
            Err(error) if error.raw_os_error() != Some(Errno::ENXIO as i32) => {
                return Err(error).with_context(failed);
            }
            Err(_) if Instant::now() > limit => {
                bail!("nobody reads from the pipe {}: start what reads it first", path.display())
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

//! Unix sockets: how long their names may be.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Result, ensure};

/// The longest path of a Unix socket (unix(7)).
const PATH_BYTES_MAX: usize = 107;

/// # Errors
/// When a socket cannot have this path.
pub(crate) fn check_path(path: &Path) -> Result<()> {
    ensure!(
        path.as_os_str().as_bytes().len() <= PATH_BYTES_MAX,
        "{} is too long for a Unix socket: set TMPDIR to a folder with a shorter path",
        path.display()
    );
    Ok(())
}

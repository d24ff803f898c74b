//! Temporary folders that no end of the harness leaves behind for long: each is locked by the
//! process that made it, and the next run removes those that nobody locks any more.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// What their names begin with.
const PREFIX: &str = "duet-run-";

/// How often a new folder is tried, where others of this name are being removed.
const TRIES: u32 = 10;

/// A folder that only this user can enter. Dropped, it is removed with all that it holds; so it is
/// by the next run, where this process was killed.
#[derive(Debug)]
pub(crate) struct TemporaryFolder {
    folder: TempDir,
    /// Released behind the removal.
    _lock: File,
}

impl TemporaryFolder {
    /// Makes one, where temporary files are (`TMPDIR`).
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn make() -> Result<Self> {
        Self::make_in(&std::env::temp_dir())
    }

    /// Makes one in another folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn make_in(parent: &Path) -> Result<Self> {
        sweep(parent);
        for _ in 0..TRIES {
            let private = Permissions::from_mode(0o700);
            let mut builder = tempfile::Builder::new();
            let made = builder.prefix(PREFIX).permissions(private).tempdir_in(parent);
            let folder = made.context("failed to make a temporary folder")?;
            if let Some(lock) = lock(folder.path()) {
                return Ok(Self { folder, _lock: lock });
            }
        }
        bail!("failed to make a temporary folder: each was removed at once")
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Locks a folder, if nobody else has and it is still there.
fn lock(folder: &Path) -> Option<File> {
    let file = File::open(folder).ok()?;
    file.try_lock().ok()?;
    let same = fs::symlink_metadata(folder).ok()?.ino() == file.metadata().ok()?.ino();
    same.then_some(file)
}

/// Removes the folders that were left behind. What is another user's stays.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let named = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if named && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let path = entry.path();
            if let Some(_lock) = lock(&path) {
                // Others may be removing it, and what cannot be removed harms nobody.
                drop(fs::remove_dir_all(path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_locks_is_removed() {
        let parent = tempfile::tempdir().expect("a folder");
        let of = |name: &str| parent.path().join(name);
        for left in ["duet-run-left/data", "duet-run-", "else"] {
            fs::create_dir_all(of(left)).expect("a folder");
        }
        fs::write(of("duet-run-file"), "").expect("a file");
        std::os::unix::fs::symlink(of("else"), of("duet-run-link")).expect("a link");
        let used = TemporaryFolder::make_in(parent.path()).expect("a folder");
        fs::write(used.path().join("file"), "").expect("a file");
        sweep(parent.path());
        assert!(used.path().join("file").exists());
        assert!(!of("duet-run-left").exists() && !of("duet-run-").exists());
        assert!(of("else").exists() && of("duet-run-file").exists());
        assert!(of("duet-run-link").symlink_metadata().is_ok());
        let path = used.path().to_owned();
        let mode = fs::metadata(&path).expect("it is there").mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(used);
        assert!(!path.exists());
        assert!(lock(&path).is_none());
    }
}

//! Where versions lie: a folder each, in the user's cache, outside of the project and of each
//! other, so that no tool that looks into the folders above finds what belongs to another version.
//!
//! A place is kept, built, for the next comparison with its version. A process has a place for
//! itself until it ends; others wait.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use crate::output::Output;

/// Places that are kept of a project, those in use among them, so that a base is not built again
/// for every change.
const KEPT_OF_PROJECT: usize = 6;

/// Places that are kept of all projects.
const KEPT_IN_ALL: usize = 24;

/// How long another process is waited for: no run of a gate takes longer.
const PATIENCE: Duration = Duration::from_secs(2 * 60 * 60);

/// The time between two looks whether the other process is done.
const PAUSE: Duration = Duration::from_millis(200);

/// The ending of the files that are locked, one beside each place.
const LOCK: &str = "lock";

/// The places that this process has, with what locks them: until it ends.
static HELD: Mutex<BTreeMap<PathBuf, File>> = Mutex::new(BTreeMap::new());

/// The folder for what is kept between runs: `$XDG_CACHE_HOME/duet`, or `.cache/duet` in the home
/// folder (XDG Base Directory Specification), or where there is none in the folder for temporary
/// files.
///
/// # Errors
/// When it cannot be made.
pub fn cache_folder() -> Result<PathBuf> {
    // The specification has relative paths ignored.
    let folder =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let of_user = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let of_user = of_user.map(|cache| cache.join("duet"));
    let user = nix::unistd::getuid();
    let cache = of_user.unwrap_or_else(|| std::env::temp_dir().join(format!("duet-cache-{user}")));
    fs::create_dir_all(&cache).and_then(|()| cache.canonicalize()).with_context(|| {
        format!(
            "failed to create {}, the folder for versions and their builds: name another by \
                 XDG_CACHE_HOME",
            cache.display()
        )
    })
}

/// The name of a project's folders in the cache: its own, and digits that its path gives.
#[must_use]
pub fn project_name(project: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let name = project.file_name().unwrap_or_default().to_string_lossy();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "-_".contains(*c);
    let plain: String = name.chars().filter(is_plain).take(32).collect();
    let digits = Output::of(project.as_os_str().as_bytes()).sha256;
    format!("{plain}-{}", &digits[..12])
}

/// Takes the place of a version of a project until this process ends, and returns its folder,
/// which may hold an earlier state of the version or not be there at all.
///
/// # Errors
/// When the cache lies within the project, another process does not give the place free, or a
/// folder cannot be made or removed.
#[expect(clippy::disallowed_methods, reason = "the age of a place, not a time that is measured")]
pub(super) fn take(project: &Path, name: &str, say: fn(&str)) -> Result<PathBuf> {
    let cache = cache_folder()?;
    ensure!(
        !cache.starts_with(project),
        "{} is within the project, whose files versions must not find above them: name a folder \
         outside of it by XDG_CACHE_HOME",
        cache.display()
    );
    let versions = cache.join("versions");
    let folder = versions.join(project_name(project));
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let place = folder.join(name);
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if !held.contains_key(&place) {
        let lock = lock(&place, say)?;
        // The time of a lock is that of the last use of its place.
        lock.set_modified(SystemTime::now())
            .with_context(|| format!("failed to touch the lock of {}", place.display()))?;
        held.insert(place.clone(), lock);
    }
    drop(held);
    forget_old(&versions)?;
    Ok(place)
}

/// The place that a path lies in, if this process has it.
pub(crate) fn place_of(path: &Path) -> Option<PathBuf> {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.keys().find(|place| path.starts_with(place)).cloned()
}

/// When this process took a place.
///
/// # Errors
/// When its lock is gone.
pub(crate) fn taken(place: &Path) -> Result<SystemTime> {
    let path = lock_file(place);
    let touched = fs::metadata(&path).and_then(|found| found.modified());
    touched.with_context(|| format!("failed to read the time of {}", path.display()))
}

fn lock_file(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(LOCK);
    place.with_file_name(name)
}

/// Locks a place. Says so when another process has it, and waits.
fn lock(place: &Path, say: fn(&str)) -> Result<File> {
    let path = lock_file(place);
    let deadline = Instant::now() + PATIENCE;
    let mut told = false;
    while Instant::now() < deadline {
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("failed to open {}", path.display()))?;
        match file.try_lock() {
            // Whoever removed a place has removed its lock, which is then nobody's.
            Ok(()) if is_the_same(&file, &path) => return Ok(file),
            Ok(()) => continue,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("failed to lock {}", path.display()));
            }
        }
        if !told {
            say(&format!("waits until another duet is done with {}", place.display()));
            told = true;
        }
        thread::sleep(PAUSE);
    }
    bail!("another duet still uses {}: end it, or wait", place.display())
}

/// Whether an open file is the one that a path leads to.
fn is_the_same(file: &File, path: &Path) -> bool {
    let id = |found: fs::Metadata| (found.dev(), found.ino());
    let open = file.metadata().map(id);
    open.is_ok() && open.ok() == fs::metadata(path).map(id).ok()
}

/// Removes the places that were not used for the longest time: of each project, and of all.
fn forget_old(versions: &Path) -> Result<()> {
    let mut of_all = vec![];
    for project in folders(versions)? {
        let mut places = vec![];
        for place in folders(&project)? {
            // A place without a lock was never used; one of another process may go meanwhile.
            let used = fs::metadata(lock_file(&place)).and_then(|found| found.modified());
            places.push((used.unwrap_or(SystemTime::UNIX_EPOCH), place));
        }
        places.sort();
        let excess = places.len().saturating_sub(KEPT_OF_PROJECT);
        for (_, place) in places.drain(..excess) {
            forget(&place)?;
        }
        of_all.append(&mut places);
    }
    of_all.sort();
    let excess = of_all.len().saturating_sub(KEPT_IN_ALL);
    of_all.into_iter().take(excess).try_for_each(|(_, place)| forget(&place))
}

/// The folders in a folder.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder);
    let entries = entries.with_context(|| format!("failed to read {}", folder.display()))?;
    let mut found = vec![];
    for entry in entries {
        let entry = entry.with_context(|| format!("failed to read {}", folder.display()))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes a place that nobody has.
fn forget(place: &Path) -> Result<()> {
    if HELD.lock().unwrap_or_else(PoisonError::into_inner).contains_key(place) {
        return Ok(());
    }
    let path = lock_file(place);
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("failed to open {}", path.display()))?;
    if file.try_lock().is_err() || !is_the_same(&file, &path) {
        return Ok(());
    }
    for removed in [fs::remove_dir_all(place), fs::remove_file(&path)] {
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("failed to remove {}", place.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_projects() {
        let check = |path: &str, want: &str| {
            let name = project_name(Path::new(path));
            let (plain, digits) = name.rsplit_once('-').expect("it has digits");
            assert_eq!((plain, digits.len()), (want, 12), "{path}");
        };
        check("/home/a/shop", "shop");
        check("/home/a/my shop \"x\" | y", "myshopxy");
        check("/", "");
        assert_ne!(project_name(Path::new("/a/x")), project_name(Path::new("/b/x")));
    }

    #[test]
    fn the_oldest_places_go_and_locked_ones_stay() {
        let versions = tempfile::tempdir().expect("a temporary folder");
        let project = versions.path().join("p");
        let place = |n: u64| project.join(format!("v{n}"));
        for n in 0..KEPT_OF_PROJECT as u64 + 3 {
            fs::create_dir_all(place(n)).expect("a folder");
            let lock = File::create(lock_file(&place(n))).expect("a file");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + n);
            lock.set_modified(time).expect("it is touched");
        }
        let file = File::open(lock_file(&place(1))).expect("a file");
        file.lock().expect("nobody has it");
        forget_old(versions.path()).expect("they are removed");
        let left: Vec<u64> = (0..9).filter(|n| place(*n).exists()).collect();
        assert_eq!(left, [1, 3, 4, 5, 6, 7, 8]);
        assert!(!lock_file(&place(0)).exists() && lock_file(&place(1)).exists());
    }
}

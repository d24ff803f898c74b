//! Times the builds of a server: clean, with nothing changed, and after the edit of a handler.
//!
//! All of it happens in a copy of the sources in a folder that vanishes: no edit and no emptied
//! cache ever reaches the user's own files, whatever interrupts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::MeasureError;
use crate::build::{self, BUILD_LIMIT, Recipe, file_bytes};
use crate::command::{self, CommandError};
use crate::output::Output;
use crate::server::{self, Launch, resolve};
use crate::temporary::TemporaryFolder;
use crate::{copy, dependencies, elf, probe, requests};
use duet_model::record::ServerBuilds;
use duet_model::spec::{Edit, Server, Spec};
use duet_process::interrupt::{Interrupt, Interrupted};
use duet_units::duration_ns;

/// How long the edited server may take to answer its first request.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A copy of the sources to build in.
#[derive(Debug)]
pub struct Site {
    /// The folder that commands run in.
    root: PathBuf,
    /// Where the compiled standard library is kept.
    kept: PathBuf,
    /// All of it; it is removed with this value.
    _folder: TemporaryFolder,
}

impl Site {
    /// Copies the sources of the project that `root` is in to a folder below `root`'s `target`,
    /// which is on the same disk.
    ///
    /// # Errors
    /// When they cannot be copied.
    pub fn copy(root: &Path) -> Result<Self> {
        let target = root.join("target");
        fs::create_dir_all(&target)
            .with_context(|| format!("failed to create {}", target.display()))?;
        let folder = TemporaryFolder::make_in(&target)?;
        let copied = copy::sources(root, &folder.path().join("sources"))
            .context("failed to copy the sources")?;
        Ok(Self { root: copied, kept: folder.path().join("std"), _folder: folder })
    }
}

/// Builds a server for the first time, untimed, which fetches what is missing, and takes the
/// figures that need no repetition. What fails is in the record.
///
/// # Errors
/// Only when interrupted.
pub fn first(
    site: &Site,
    server: &Server,
    interrupt: &Interrupt,
) -> Result<ServerBuilds, Interrupted> {
    let mut record = ServerBuilds {
        server: server.name.clone(),
        language: server.language.clone(),
        ..ServerBuilds::default()
    };
    let outcome = fill(&mut record, site, server, interrupt);
    settle(&mut record, outcome, interrupt)?;
    Ok(record)
}

/// Keeps what went wrong in the record.
///
/// # Errors
/// Only when interrupted.
fn settle(
    record: &mut ServerBuilds,
    outcome: Result<(), CommandError>,
    interrupt: &Interrupt,
) -> Result<(), Interrupted> {
    interrupt.check()?;
    record.failure = outcome.err().map(|error| error.failure(&record.server));
    Ok(())
}

fn fill(
    record: &mut ServerBuilds,
    site: &Site,
    server: &Server,
    interrupt: &Interrupt,
) -> Result<(), CommandError> {
    let (recipe, root) = (Recipe::from(server), site.root.as_path());
    if server.build.is_empty() || server.build_cache.is_empty() {
        Err(anyhow::anyhow!("`build` and `build_cache` say how a clean build is made: add both"))?;
    }
    record.toolchain_version = build::check_tools(&recipe, root, interrupt)?;
    build::clean_build(&recipe, root, interrupt)?;
    record.version = build::version(&recipe, root, interrupt)?;
    let binary = executable(server, root);
    record.binary_bytes = binary.as_deref().and_then(file_bytes);
    record.stripped_bytes = match &binary {
        Some(path) => elf::stripped_bytes(&read(path)?),
        None => None,
    };
    if !server.dependencies.is_empty() {
        let environment = build::environment(&recipe, root)?;
        let listed =
            command::output(&server.dependencies, root, &environment, BUILD_LIMIT, interrupt)?;
        let (count, lines) = dependencies::count(&listed, root)
            .with_context(|| format!("`{}`", server.dependencies.join(" ")))?;
        (record.dependencies, record.dependency_lines) = (Some(count), Some(lines));
    }
    if !server.std_build.is_empty() {
        build::empty_caches(&recipe, root)?;
        let environment = build::environment(&recipe, root)?;
        command::run(&server.std_build, root, &environment, BUILD_LIMIT, interrupt)?;
        for (name, folder) in build::caches(&recipe, root) {
            copy::tree(&folder, &site.kept.join(&server.name).join(name))?;
        }
    }
    Ok(())
}

/// Builds a server once in every way, timed; `number` differs from round to round. What fails is in
/// the record.
///
/// # Errors
/// Only when interrupted.
pub fn round(
    record: &mut ServerBuilds,
    site: &Site,
    (spec, server): (&Spec, &Server),
    number: u32,
    interrupt: &Interrupt,
) -> Result<(), Interrupted> {
    let outcome = measure(record, site, (spec, server), number, interrupt);
    settle(record, outcome, interrupt)
}

fn measure(
    record: &mut ServerBuilds,
    site: &Site,
    (spec, server): (&Spec, &Server),
    number: u32,
    interrupt: &Interrupt,
) -> Result<(), CommandError> {
    let (recipe, root) = (Recipe::from(server), site.root.as_path());
    record.clean_ns.push(build::clean_build(&recipe, root, interrupt)?);
    record.no_op_ns.push(build::timed_build(&recipe, root, interrupt)?);
    if let Some(edit) = &server.edit {
        let edited = Edited { edit, number, path: root.join(&edit.file) };
        let (built_ns, responded_ns) = edited.time(site, (spec, server), interrupt)?;
        record.edit_build_ns.push(built_ns);
        record.edit_response_ns.push(responded_ns);
    }
    if !server.std_build.is_empty() {
        build::empty_caches(&recipe, root)?;
        for (name, folder) in build::caches(&recipe, root) {
            copy::tree(&site.kept.join(&server.name).join(name), &folder)?;
        }
        record.clean_std_compiled_ns.push(build::timed_build(&recipe, root, interrupt)?);
    }
    Ok(())
}

/// An edit that is being timed.
struct Edited<'a> {
    edit: &'a Edit,
    number: u32,
    path: PathBuf,
}

impl Edited<'_> {
    /// Edits the source, builds, starts the server and waits for its first valid response. The
    /// source is then as it was, whatever happened. Returns both times.
    fn time(
        &self,
        site: &Site,
        (spec, server): (&Spec, &Server),
        interrupt: &Interrupt,
    ) -> Result<(u64, u64), CommandError> {
        let shown = self.path.display();
        let original = fs::read_to_string(&self.path)
            .with_context(|| format!("failed to read {shown}, which `edit` names"))?;
        let Edit { file, replace, with } = self.edit;
        let found = original.matches(replace.as_str()).count();
        if found != 1 {
            Err(anyhow::anyhow!(
                "`edit` replaces `{replace}`, which is in {file} {found} times where once was due"
            ))?;
        }
        let with = with.replace(Edit::NUMBER, &self.number.to_string());
        let before = executable(server, &site.root).map(|path| hash(&path)).transpose()?;
        let write = |text: &str| {
            fs::write(&self.path, text).with_context(|| format!("failed to write {shown}"))
        };
        write(&original.replacen(replace.as_str(), &with, 1))?;
        let timed = self.build_and_ask(site, (spec, server), interrupt);
        write(&original)?;
        let times = timed?;
        if let Some(path) = executable(server, &site.root)
            && Some(hash(&path)?) == before
        {
            Err(anyhow::anyhow!("after the edit of {file} the executable is the same"))?;
        }
        Ok(times)
    }

    fn build_and_ask(
        &self,
        site: &Site,
        (spec, server): (&Spec, &Server),
        interrupt: &Interrupt,
    ) -> Result<(u64, u64), CommandError> {
        let mut workloads = server.workloads.iter().filter_map(|name| spec.workload(name));
        let workload =
            workloads.find(|workload| workload.services.is_empty() && workload.members().is_none());
        let workload = workload.context("the server has no workload that needs no service")?;
        let case = workload.cases.first().context("the workload has no cases")?;
        let launch = Launch { options: &workload.options, ..Launch::plain(&site.root, &[]) };
        let started = Instant::now();
        build::timed_build(&Recipe::from(server), &site.root, interrupt)?;
        let built_ns = duration_ns(started.elapsed());
        let running = server::start(server, &launch, interrupt)?;
        let to = (&running.addr, running.transport);
        let exchange = requests::exchange(workload, case, &server.name, to, None);
        probe::first_answer(&running, None, &exchange, ANSWER_LIMIT, interrupt)?;
        let responded_ns = duration_ns(started.elapsed());
        running.stop().map_err(MeasureError::from)?;
        Ok((built_ns, responded_ns))
    }
}

/// The file that a server's command starts, where that is one of the project's own.
fn executable(server: &Server, root: &Path) -> Option<PathBuf> {
    let path = server.run.first().map(|program| resolve(root, program))?;
    (path.starts_with(root) && path.is_file()).then_some(path)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("failed to read {}", path.display()))
}

fn hash(path: &Path) -> Result<String> {
    let bytes = read(path)?;
    ensure!(!bytes.is_empty(), "{} is empty", path.display());
    Ok(Output::of(&bytes).sha256)
}

//! Whether what a version runs comes from elsewhere: a name on the PATH, a module of an
//! interpreter, a link or a script may lead to what is installed on this machine, and then both
//! versions run the same.
//!
//! Two things show it. An executable that runs was written during the comparison, outside of the
//! version's place: the builds of both write there. Or a command of the server serves the same
//! response in a stand-in of the place that has none of its files, only the links that lead out.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, ensure};

use crate::MeasureError;
use crate::output::Output;
use crate::program::{self, Task};
use crate::server::{self, Launch, Running};
use crate::temporary::TemporaryFolder;
use crate::verify::Verifier;
use crate::versions::places;
use duet_model::spec::{Server, Workload};
use duet_process::interrupt::{Interrupt, Interrupted};
use duet_process::tree;
use duet_protocol::{Address, Transport};

/// Commands of a server that are tried, at most: workers have one in common.
const COMMANDS_MAX: usize = 8;

/// What is to be done about it.
const CURE: &str = "Let `build` put it into the version's folder (a virtual environment, \
                    node_modules, GOBIN, `cargo install --root`), and let `run` start it from \
                    there, by a path relative to the folder above the definitions";

/// The commands that a server of a version consists of, but for executables of its own.
#[derive(Debug)]
pub struct Commands {
    place: PathBuf,
    /// As servers of their own, each with the folder that it runs in.
    commands: Vec<(Server, PathBuf)>,
}

/// Looks at the processes of a version's server; absent where all are of its own executables, or
/// it is in no place of a version.
///
/// # Errors
/// When one runs what was written outside of the place since the comparison began.
pub fn commands(
    server: &Server,
    launch: &Launch<'_>,
    running: &Running,
) -> Result<Option<Commands>> {
    let Some(place) = places::place_of(launch.root) else { return Ok(None) };
    let begun = places::taken(&place)?;
    // As long as it took to come here, and as long again.
    let limit_s = (2 * running.started.elapsed() + Duration::from_secs(1)).as_secs() + 1;
    let limited =
        Server { start_limit_s: u32::try_from(limit_s).ok(), root: None, ..server.clone() };
    // A process may take another name later on; the definition is how it begins.
    let mut commands = vec![(limited.clone(), launch.root.to_owned())];
    let mut foreign = false;
    for pid in tree::processes(running.root()) {
        let Some(process) = Process::read(pid) else { continue };
        if process.executable.starts_with(&place) {
            continue;
        }
        foreign = true;
        process.refuse_new(&place, begun)?;
        let command = process.command(&limited, running);
        let is_new = commands.iter().all(|(known, _)| words(known).ne(words(&command)));
        if is_new && commands.len() < COMMANDS_MAX {
            commands.push((command, process.folder));
        }
    }
    Ok(foreign.then_some(Commands { place, commands }))
}

/// The words of a command, over whatever transport.
fn words(server: &Server) -> impl Iterator<Item = &String> {
    server.run.iter().chain(&server.tls_args)
}

/// A process of a server.
#[derive(Debug)]
struct Process {
    executable: PathBuf,
    folder: PathBuf,
    words: Vec<String>,
    environment: Vec<String>,
}

impl Process {
    /// Absent where it has ended meanwhile.
    fn read(pid: i32) -> Option<Self> {
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok();
        let texts = |name: &str| -> Option<Vec<String>> {
            let bytes = fs::read(format!("/proc/{pid}/{name}")).ok()?;
            let texts = bytes.strip_suffix(b"\0").unwrap_or(&bytes).split(|byte| *byte == 0);
            Some(texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect())
        };
        let words = texts("cmdline")?;
        Some(Self {
            executable: link("exe")?,
            folder: link("cwd")?,
            environment: texts("environ")?,
            words,
        })
    }

    /// Makes sure that no executable of its own command was written since `begun`, unless in the
    /// place: a program, or a script that an interpreter was started with.
    fn refuse_new(&self, place: &Path, begun: SystemTime) -> Result<()> {
        let named = self.words.iter().map(|word| self.folder.join(word));
        for path in named.chain([self.executable.clone()]) {
            let Ok(path) = path.canonicalize() else { continue };
            ensure!(
                path.starts_with(place) || !is_executable_since(&path, begun),
                "{} runs, which was written during this comparison and is not in this version's \
                 folder: both versions would run the same file. {CURE}",
                path.display()
            );
        }
        Ok(())
    }

    /// Its command as that of a server, with its address as a placeholder.
    fn command(&self, server: &Server, running: &Running) -> Server {
        let told = match &running.addr {
            Address::Tcp(addr) => {
                vec![(addr.to_string(), "{addr}"), (addr.port().to_string(), "{port}")]
            }
            Address::Unix(path) => vec![(path.display().to_string(), "{socket}")],
        };
        let replaced = |text: &String| {
            told.iter().fold(text.clone(), |text, (value, name)| text.replace(value, name))
        };
        let variables = self.environment.iter().filter_map(|text| text.split_once('='));
        let env = variables.map(|(name, text)| (name.to_owned(), replaced(&text.to_owned())));
        let mut run: Vec<String> = self.words.iter().map(replaced).collect();
        // What a transport needs is among its words; over TLS some are asked for.
        let spoken = match running.transport {
            Transport::Http => vec![],
            _ => run.split_off(1),
        };
        Server {
            env: env.collect(),
            run,
            tls_args: spoken.clone(),
            h2c_args: spoken,
            services: [].into(),
            options: [].into(),
            ..server.clone()
        }
    }
}

/// Whether a file may be executed and was written or renamed since.
fn is_executable_since(path: &Path, since: SystemTime) -> bool {
    let Ok(found) = fs::metadata(path) else { return false };
    let (s, ns) = (found.ctime().unsigned_abs(), found.ctime_nsec().unsigned_abs());
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(s) + Duration::from_nanos(ns);
    found.is_file() && found.permissions().mode() & 0o111 != 0 && changed >= since
}

/// Refuses a server that needs none of its version's files: one of its commands gives the first
/// response of `workload` without them.
///
/// # Errors
/// The refusal; when there can be no stand-in; or an interruption.
pub fn refuse(
    commands: &Commands,
    launch: &Launch<'_>,
    (verifier, workload): (&Verifier, &Workload),
    interrupt: &Interrupt,
) -> Result<(), MeasureError> {
    let stand_in = StandIn::of(&commands.place)?;
    for (server, folder) in &commands.commands {
        let moved = |text: &String| stand_in.moved(text);
        let command = Server {
            run: server.run.iter().map(moved).collect(),
            tls_args: server.tls_args.iter().map(moved).collect(),
            h2c_args: server.h2c_args.iter().map(moved).collect(),
            env: server.env.iter().map(|(name, text)| (name.clone(), moved(text))).collect(),
            ..server.clone()
        };
        let launch = Launch { root: &stand_in.folder(folder)?, ..*launch };
        if serves(&command, &launch, (verifier, workload), interrupt)? {
            Err(same_without("gives the same response", words(server)))?;
        }
    }
    Ok(())
}

/// Refuses a program that prints the same without any of its version's files.
///
/// # Errors
/// The refusal; when there can be no stand-in; or an interruption.
pub(crate) fn refuse_program(
    task: &Task<'_>,
    output: &Output,
    interrupt: &Interrupt,
) -> Result<()> {
    let Some(place) = places::place_of(task.root) else { return Ok(()) };
    let stand_in = StandIn::of(&place)?;
    let elsewhere = Task {
        root: &stand_in.folder(task.root)?,
        command: task.command.iter().map(|word| stand_in.moved(word)).collect(),
        input: task.input.clone(),
        cpus: task.cpus.clone(),
        ..*task
    };
    let ran = program::run_hashed(&elsewhere, None, interrupt);
    interrupt.check()?;
    if ran.is_ok_and(|(_, printed)| printed == *output) {
        return Err(same_without("prints the same", task.command.iter()));
    }
    Ok(())
}

fn same_without<'a>(does: &str, command: impl Iterator<Item = &'a String>) -> anyhow::Error {
    anyhow!(
        "`{}` {does} without any file of this version: it is installed on this machine, and both \
         versions would run the same. {CURE}",
        command.cloned().collect::<Vec<_>>().join(" ")
    )
}

/// A folder in the place of a version's, with nothing in it but the links that lead out.
#[derive(Debug)]
struct StandIn {
    place: PathBuf,
    path: PathBuf,
    /// Removes it.
    _folder: TemporaryFolder,
}

impl StandIn {
    fn of(place: &Path) -> Result<Self> {
        let folder = TemporaryFolder::make()?;
        let path = folder.path().canonicalize().context("failed to find a temporary folder")?;
        links_out(place, place, &path)?;
        Ok(Self { place: place.to_owned(), path, _folder: folder })
    }

    /// A word with this folder in the place of the version's.
    fn moved(&self, text: &str) -> String {
        text.replace(&*self.place.to_string_lossy(), &self.path.to_string_lossy())
    }

    /// The folder that stands for one of the version's, empty; another one is itself.
    fn folder(&self, folder: &Path) -> Result<PathBuf> {
        let Ok(below) = folder.strip_prefix(&self.place) else { return Ok(folder.to_owned()) };
        let folder = self.path.join(below);
        fs::create_dir_all(&folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
        Ok(folder)
    }
}

/// Whether a server starts and gives the first response of a workload.
fn serves(
    server: &Server,
    launch: &Launch<'_>,
    (verifier, workload): (&Verifier, &Workload),
    interrupt: &Interrupt,
) -> Result<bool, Interrupted> {
    let served = server::start(server, launch, interrupt)
        .and_then(|running| verifier.workload(&running, server, workload, 1, interrupt));
    match served {
        Err(MeasureError::Interrupted(interrupted)) => Err(interrupted),
        served => Ok(served.is_ok()),
    }
}

/// Makes the links of a place that lead out of it, and those to others of its links, in a folder
/// that stands in for it. What cannot be read is left out.
fn links_out(place: &Path, folder: &Path, stand_in: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && entry.file_name() != *".git" {
            links_out(place, &path, stand_in)?;
        }
        let (Ok(target), Ok(below)) = (fs::read_link(&path), path.strip_prefix(place)) else {
            continue;
        };
        let end = normalised(&folder.join(&target));
        let target = match end.starts_with(place) {
            true if target.is_absolute() => continue,
            true => target,
            false => end,
        };
        let link = stand_in.join(below);
        let made = link.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| symlink(target, &link))
            .with_context(|| format!("failed to create {}", link.display()))?;
    }
    Ok(())
}

/// A path without `.` and `..`, by its words alone.
fn normalised(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_has_the_links_that_lead_out() {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let folders = tempfile::tempdir().expect("a temporary folder");
        let top = folders.path().canonicalize().expect("it is there");
        let (place, stand_in) = (top.join("place"), top.join("stand-in"));
        let write = |path: PathBuf| {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "x").expect("a file");
        };
        write(outside.path().join("cli.js"));
        write(place.join("own.js"));
        write(place.join(".git/config"));
        fs::create_dir_all(place.join("modules/bin")).expect("a folder");
        let link = |target: &Path, name: &str| symlink(target, place.join(name)).expect("a link");
        link(outside.path(), "modules/x");
        link(Path::new("../x/cli.js"), "modules/bin/x");
        link(Path::new("../../own.js"), "modules/bin/own");
        link(&place.join("own.js"), "absolute");
        link(Path::new("../../stand-in/../outer"), "modules/up");
        fs::create_dir(&stand_in).expect("a folder");
        links_out(&place, &place, &stand_in).expect("they are made");
        let check = |name: &str, there: bool| {
            assert_eq!(stand_in.join(name).exists(), there, "{name}");
        };
        check("modules/x", true);
        check("modules/bin/x", true);
        check("modules/bin/own", false);
        check("absolute", false);
        check("own.js", false);
        check(".git", false);
        let up = fs::read_link(stand_in.join("modules/up")).expect("a link");
        assert_eq!(up, top.join("outer"));
    }

    #[test]
    fn executables_that_were_written_since() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("run");
        fs::write(&path, "").expect("a file");
        let changed = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).expect("a time");
        let hour = Duration::from_secs(3600);
        assert!(!is_executable_since(&path, changed(&path) - hour), "it is none");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        assert!(is_executable_since(&path, changed(&path) - hour));
        assert!(!is_executable_since(&path, changed(&path) + hour));
        assert!(!is_executable_since(folder.path(), changed(&path) - hour), "a folder");
    }
}

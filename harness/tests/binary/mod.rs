//! The real binary in a folder of its own, with all that it leaves behind found again.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use duet_model::record;
use flate2::read::MultiGzDecoder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

pub(crate) const DUET: &str = env!("CARGO_BIN_EXE_duet");
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_faulty-server");

/// How long anything here may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// An environment variable that every process of a test inherits, so that leftovers can be found.
const MARK: &str = "DUET_TEST_FOLDER";

/// The definition of the workload that the tests' server knows.
pub(crate) const HELLO: &str = r#"
[[workload]]
name = "hello"
question = "Does it work?"
path = "/"
[workload.expect]
status = 200
content_type = "application/json"
body = '{"message":"hello world"}'
"#;

/// A folder that vanishes with the test, and one beside it for what is kept between runs.
pub(crate) struct Folder(TempDir, TempDir);

impl Folder {
    /// A folder with nothing in it.
    pub(crate) fn empty() -> Self {
        let folder = || TempDir::new().expect("a temporary folder");
        Self(folder(), folder())
    }

    /// A folder with definitions: names and texts of the files in `bench`.
    pub(crate) fn with_definitions(files: [(&str, &str); 3]) -> Self {
        let folder = Self::empty();
        let bench = folder.path().join("bench");
        fs::create_dir(&bench).expect("a folder");
        for (name, text) in files {
            fs::write(bench.join(name), text).expect("a file");
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The user's cache, as duet sees it.
    pub(crate) fn cache(&self) -> &Path {
        self.1.path()
    }

    /// The places of versions of this folder's project.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        let folders = |folder: PathBuf| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
        };
        let projects = folders(self.cache().join("duet/versions"));
        let mut places: Vec<PathBuf> = projects.into_iter().flat_map(folders).collect();
        places.sort();
        places
    }

    /// Any program, in this folder and with this test's mark.
    pub(crate) fn program(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(words).current_dir(self.path()).env(MARK, self.path()).env("NO_COLOR", "1");
        command
            .env_remove("GITHUB_STEP_SUMMARY")
            .env_remove("GITHUB_OUTPUT")
            .env("TMPDIR", self.path());
        command.env("XDG_CACHE_HOME", self.1.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.program(DUET, words)
    }

    pub(crate) fn duet(&self, words: &[&str]) -> Outcome {
        let child = self.command(words).spawn().expect("the binary starts");
        outcome(&child.wait_with_output().expect("it ends"))
    }

    /// Waits until no process of this test is left, and looks for temporary files then.
    pub(crate) fn nothing_is_left(&self) {
        wait(|| self.processes().is_empty());
        let left = self.temporary_folders();
        assert!(left.is_empty(), "{left:?}");
    }

    /// Folders of runs that are under way, or were left behind.
    pub(crate) fn temporary_folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).expect("the folder is there").flatten();
        let ours = entries.filter(|e| e.file_name().to_string_lossy().starts_with("duet-run-"));
        ours.map(|entry| entry.path()).collect()
    }

    /// Processes that carry the mark.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mark = format!("{MARK}={}", self.path().display());
        let carries = |pid: &i32| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|text| text.split(|b| *b == 0).any(|v| v == mark.as_bytes()))
        };
        fs::read_dir("/proc")
            .expect("proc is mounted")
            .flatten()
            .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
            .filter(carries)
            .collect()
    }
}

pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "\nstdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, what: &str) -> &Self {
        // Where a line was wrapped does not matter.
        let all = format!("{}{}", self.out, self.err);
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&all).contains(&flat(what)), "no `{what}` in\n{all}");
        self
    }
}

pub(crate) fn outcome(output: &Output) -> Outcome {
    Outcome {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The text of the record in a folder, as far as it is there.
pub(crate) fn record_text(folder: &Path) -> String {
    let Some(path) = record::find(folder) else { return String::new() };
    let bytes = fs::read(&path).unwrap_or_default();
    if path.ends_with(record::PLAIN_FILE_NAME) {
        return String::from_utf8(bytes).expect("a record is text");
    }
    let mut text = vec![];
    match MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => panic!("{error}"),
        _ => String::from_utf8_lossy(&text).into_owned(),
    }
}

/// Puts a record that is not compressed in the place of the one in a folder.
pub(crate) fn write_record(folder: &Path, text: &str) {
    fs::write(folder.join(record::PLAIN_FILE_NAME), text).expect("a file");
    let compressed = folder.join(record::FILE_NAME);
    if compressed.exists() {
        fs::remove_file(compressed).expect("it is there");
    }
}

/// Looks every few milliseconds whether something has come about.
#[track_caller]
pub(crate) fn wait(mut come_about: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !come_about() {
        assert!(Instant::now() < limit, "it did not come about");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"));
    kill(pid, signal).expect("the process is there");
}

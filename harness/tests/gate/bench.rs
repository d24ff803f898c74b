//! A folder with definitions and servers of the test's own, and the real binary run in it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::Pid;
use tempfile::TempDir;

pub(crate) use nix::sys::signal::Signal;

pub(crate) const DUET: &str = env!("CARGO_BIN_EXE_duet");
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_faulty-server");

/// A build is a copy: every version has an executable of its own.
pub(crate) const BUILD: &str =
    concat!("build = [\"cp\", \"-f\", \"", env!("CARGO_BIN_EXE_faulty-server"), "\", \"server\"]");

/// How long anything here may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// An environment variable that every process of a test inherits, so that leftovers can be found.
const MARK: &str = "DUET_TEST_FOLDER";

/// Definitions of three servers: `fast`, `slow`, which sleeps ten times as long, and `odd`.
pub(crate) struct Bench {
    folder: TempDir,
}

impl Bench {
    /// `gate` is what the policy says beside what it guards.
    pub(crate) fn new(gate: &str) -> Self {
        Self::with(gate, "")
    }

    /// `odd` is the command line of that server behind `--addr`.
    pub(crate) fn with(gate: &str, odd: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let bench = folder.path().join("bench");
        fs::create_dir(&bench).expect("a folder");
        let server = |name: &str, more: &str| {
            let more: String = more.split_whitespace().map(|w| format!(", \"{w}\"")).collect();
            format!(
                "[[server]]\nname = \"{name}\"\nlanguage = \"Rust\"\nlanes = [\"std\"]\n\
                 summary = \"For tests\"\nrun = [\"./server\", \"--addr\", \"{{addr}}\"{more}]\n\
                 version = [\"./server\", \"--version\"]\nworkloads = [\"hello\"]\n{BUILD}\n"
            )
        };
        let servers = server("fast", "--delay-us 90")
            + &server("slow", "--delay-us 900")
            + &server("odd", odd);
        let workloads = "[[workload]]\nname = \"hello\"\nquestion = \"Does it work?\"\n\
                         path = \"/\"\n\
                         [workload.expect]\nstatus = 200\ncontent_type = \"application/json\"\n\
                         body = '{\"message\":\"hello world\"}'\n";
        let times = "window_ms = 5\nmeasure_ms = 80\nwarmup_ms = 40";
        let margins = match gate.contains("margins_percent") {
            true => "",
            // A median: what else this machine does in the meantime cannot turn it.
            false => "margins_percent = { service_time_ns_p50 = 5 }",
        };
        let suites = format!(
            "[[load]]\nname = \"c2\"\nconnections = 2\n\
             [[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"fast\", \"slow\"]\n\
             [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nblocks = 1\nverdicts = false\n\
             {times}\n[[suite.cells]]\nmatchups = [\"pair\"]\nworkloads = [\"hello\"]\n\
             loads = [\"c2\"]\n\
             [[suite]]\nname = \"v\"\nsummary = \"For tests\"\nblocks = 6\n\
             {times}\n[[suite.cells]]\nmatchups = [\"pair\"]\nworkloads = [\"hello\"]\n\
             loads = [\"c2\"]\n\
             [[gate]]\nname = \"g\"\nsummary = \"For tests\"\nservers = [\"fast\"]\n\
             workloads = [\"hello\"]\nloads = [\"c2\"]\n{times}\n{margins}\n{gate}\n"
        );
        for (name, text) in [
            ("servers.toml", &servers[..]),
            ("workloads.toml", workloads),
            ("suites.toml", &suites),
        ] {
            fs::write(bench.join(name), text).expect("a file");
        }
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Any program, in this folder and with this test's mark.
    pub(crate) fn program(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(words).current_dir(self.path()).env(MARK, self.path()).env("NO_COLOR", "1");
        command.env_remove("GITHUB_STEP_SUMMARY");
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

    /// What git prints, without the user's own settings.
    pub(crate) fn git(&self, words: &[&str]) -> String {
        let mut command = self.program("git", words);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Test");
            command.env(format!("GIT_{who}_EMAIL"), "test@example.org");
        }
        let outcome = outcome(&command.output().expect("git is installed"));
        outcome.exits(0);
        outcome.out
    }

    /// Commits the definitions.
    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "bench"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// Changes a file of the definitions.
    pub(crate) fn edit(&self, name: &str, change: impl Fn(&str) -> String) {
        let path = self.path().join("bench").join(name);
        let text = fs::read_to_string(&path).expect("definitions");
        let changed = change(&text);
        assert_ne!(changed, text, "nothing was changed");
        fs::write(path, changed).expect("a file");
    }

    /// Waits until no process of this test is left.
    pub(crate) fn nothing_is_left(&self) {
        wait(|| self.processes().is_empty());
    }

    /// Processes that carry the mark.
    fn processes(&self) -> Vec<i32> {
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

//! A policy and three servers, as definitions in a folder of the test's own.

use std::fs;
use std::ops::Deref;

use crate::binary::{Folder, HELLO, outcome};

/// A build is a copy: every version has an executable of its own.
pub(crate) const BUILD: &str =
    concat!("build = [\"cp\", \"-f\", \"", env!("CARGO_BIN_EXE_faulty-server"), "\", \"server\"]");

/// Definitions of three servers: `fast`, `slow`, which sleeps ten times as long, and `odd`.
pub(crate) struct Bench {
    folder: Folder,
}

impl Bench {
    /// `gate` is what the policy says beside what it guards.
    pub(crate) fn new(gate: &str) -> Self {
        Self::with(gate, "")
    }

    /// `odd` is the command line of that server behind `--addr`.
    pub(crate) fn with(gate: &str, odd: &str) -> Self {
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
        let folder = Folder::with_definitions([
            ("servers.toml", &servers),
            ("workloads.toml", HELLO),
            ("suites.toml", &suites),
        ]);
        Self { folder }
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

    /// Makes a commit that changes nothing.
    pub(crate) fn commit_empty(&self, message: &str) {
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// Changes a file of the definitions.
    pub(crate) fn edit(&self, name: &str, change: impl Fn(&str) -> String) {
        let path = self.path().join("bench").join(name);
        let text = fs::read_to_string(&path).expect("definitions");
        let changed = change(&text);
        assert_ne!(changed, text, "nothing was changed");
        fs::write(path, changed).expect("a file");
    }
}

impl Deref for Bench {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}
